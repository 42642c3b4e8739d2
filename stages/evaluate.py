"""`evaluate@TASK-MODEL-SEED`: scores, from predictions alone."""

from pathlib import Path

from gpt1.files import write_json
from gpt1.tasks.metrics import evaluate
from gpt1.tasks.predictions import read
from stages import entry, tracking


def main(predictions: Path, out: Path) -> None:
    """Score `predictions` by the official metrics of its task."""
    scores = evaluate(read(predictions))
    write_json(out, scores)
    with tracking.run() as run:
        run.params({name: scores[name] for name in ("task", "model", "seed", "metric")})
        run.artifact(out)


if __name__ == "__main__":
    entry.run(main)
