"""`evaluate@TASK-MODEL-SEED`: scores, from predictions alone."""

import json
from pathlib import Path
from typing import Any

from gpt1.files import publish
from gpt1.tasks.metrics import evaluate, reported_split
from gpt1.tasks.predictions import read
from stages import entry, tracking


def main(predictions: Path, out: Path) -> None:
    """Score `predictions` by the official metrics of its task."""
    scores = evaluate(read(predictions))
    with publish(out) as beside:
        beside.write_text(json.dumps(scores, indent=2) + "\n")
    with tracking.run() as run:
        run.params({name: scores[name] for name in ("task", "model", "seed", "metric")})
        run.artifact(out)


def record(run: tracking.Run, scores: dict[str, Any]) -> None:
    """Scores into the run of their fine-tuning; the main one is `main` whatever the task."""
    for split, measured in scores["splits"].items():
        numbers = {name: value for name, value in measured.items() if name != "interval"}
        run.metrics({f"{split}/{name}": value for name, value in numbers.items()})
    if scores["splits"]:
        split = reported_split(list(scores["splits"]))
        measured = scores["splits"][split]
        low, high = measured["interval"]
        run.params({"metric": scores["metric"], "split": split})
        run.metrics({"main": measured[scores["metric"]], "main_low": low, "main_high": high})
        run.metrics({"main_baseline": scores["baseline"][split]})


if __name__ == "__main__":
    entry.run(main)
