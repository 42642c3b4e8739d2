"""`evaluate@TASK-MODEL-SEED`: scores, computed from predictions alone."""

from pathlib import Path

from gpt1.files import write_json
from gpt1.tasks.metrics import evaluate
from gpt1.tasks.predictions import read_predictions
from stages import entry, tracking


def main(predictions: Path, out: Path) -> None:
    """Score `predictions` with the official metrics of their task."""
    scores = evaluate(read_predictions(predictions))
    write_json(out, scores)
    with tracking.run() as run:
        run.params({name: scores[name] for name in ("task", "model", "seed", "metric")})
        run.artifact(out)


if __name__ == "__main__":
    entry.run(main)
