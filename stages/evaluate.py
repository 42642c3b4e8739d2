"""`evaluate@TASK`: scores of all models on a task, computed from predictions alone."""

from pathlib import Path

from gpt1.errors import UserError
from gpt1.files import write_json
from gpt1.params import Compare, NoAuxiliary, Transfer, cells
from gpt1.tasks.metrics import evaluate
from gpt1.tasks.predictions import read_predictions
from stages import entry


def main(task: str, predictions: Path, out: Path) -> None:
    """Score each MODEL-SEED of `task` that the params name with the task's official metrics.

    Other files in `predictions` are of models and seeds that were taken out. MLflow has the scores
    in the runs of the fine-tunes.
    """
    named = cells(
        task,
        entry.section(Compare, "compare"),
        entry.section(NoAuxiliary, "no_auxiliary"),
        entry.section(Transfer, "transfer"),
    )
    scores = {}
    for cell in named:
        path = predictions / f"{cell}.parquet"
        if not path.is_file():
            raise UserError(f"{path} is missing; `dvc repro` makes it")
        scores[cell] = evaluate(read_predictions(path))
    write_json(out, scores)


if __name__ == "__main__":
    entry.run(main)
