"""The mistakes of a fine-tuned model: a confusion matrix and its worst answers."""

from pathlib import Path

import numpy as np
import pandas as pd

from gpt1.tasks import metrics
from gpt1.tasks.predictions import Predictions
from gpt1.tasks.table import Example

WORST = 50


def write_tables(predictions: Predictions, examples: list[Example], folder: Path) -> list[Path]:
    """Write the tables of each split with targets to `folder`, as JSON that MLflow displays.

    They are `worst_SPLIT.json` and, for tasks with labels, `confusion_SPLIT.json`.
    """
    tables = {}
    for split in dict.fromkeys(predictions.split[~np.isnan(predictions.target)]):
        tables[f"worst_{split}"] = worst(predictions, examples, split)
        if predictions.task.outputs > 1:
            tables[f"confusion_{split}"] = confusion(predictions, split).reset_index()
    paths = []
    for name, table in tables.items():
        paths.append(folder / f"{name}.json")
        table.to_json(paths[-1], orient="split", index=False, force_ascii=False)
    return paths


def confusion(predictions: Predictions, split: str) -> pd.DataFrame:
    """Counts by label (rows) and answer (columns), for a task with labels."""
    rows = (predictions.split == split) & ~np.isnan(predictions.target)
    labels = list(predictions.task.labels)
    counts = metrics.confusion(predictions.target[rows], predictions.answers[rows], len(labels))
    return pd.DataFrame(counts, index=pd.Index(labels, name="label"), columns=labels)


def worst(predictions: Predictions, examples: list[Example], split: str) -> pd.DataFrame:
    """The `WORST` answers with the largest errors, largest first.

    `examples` are those of the predictions, in their order. The error, column `off`, is 1 minus the
    probability of the right answer; in a regression it is the distance to the right score.
    """
    known = (predictions.split == split) & ~np.isnan(predictions.target)
    places = np.flatnonzero(known)
    if predictions.task.shape == "regression":
        off = np.abs(predictions.answers - predictions.target)[places]
    else:
        off = np.array([1 - predictions.scores[n][int(predictions.target[n])] for n in places])
    table = []
    for order in np.argsort(-off, kind="stable")[:WORST]:
        place = places[order]
        example = examples[place]
        if predictions.task.shape == "regression":
            right, answer = predictions.target[place], predictions.answers[place]
        else:
            names = example.choices or predictions.task.labels
            right = names[int(predictions.target[place])]
            answer = names[int(predictions.answers[place])]
        table.append(
            {
                "id": example.id,
                "off": float(off[order]),
                "right": right,
                "answer": answer,
                "text": example.text,
                "text_pair": example.text_pair,
            }
        )
    return pd.DataFrame(table)
