"""`evaluate@TASK`: scores of all models on a task, computed from predictions alone."""

from pathlib import Path

import pandas as pd

from gpt1.errors import UserError
from gpt1.files import publish, write_json
from gpt1.params import Compare, NoAuxiliary, Transfer, cells
from gpt1.tasks.metrics import evaluate, reported_split, resample
from gpt1.tasks.predictions import read_predictions
from stages import entry


def main(task: str, predictions: Path, out: Path, resampled: Path) -> None:
    """Score each MODEL-SEED of `task` that the params name with the task's official metrics.

    `resampled` has a column for each: the main metric over samples of the examples. Other files in
    `predictions` are of models and seeds that were taken out. MLflow has the scores in the runs of
    the fine-tunes.
    """
    named = cells(
        task,
        entry.section(Compare, "compare"),
        entry.section(NoAuxiliary, "no_auxiliary"),
        entry.section(Transfer, "transfer"),
    )
    scores, samples = {}, {}
    for cell in named:
        path = predictions / f"{cell}.parquet"
        if not path.is_file():
            raise UserError(f"{path} is missing; `dvc repro` makes it")
        answered = read_predictions(path)
        found = resample(answered)
        scores[cell] = evaluate(answered, found)
        samples[cell] = found[reported_split(list(found))]
    with publish(resampled) as beside:
        pd.DataFrame(samples).to_parquet(beside)
    write_json(out, scores)


if __name__ == "__main__":
    entry.run(main)
