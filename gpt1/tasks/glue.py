"""The GLUE benchmark as a whole: its average, and what its server takes (Wang et al., 2019)."""

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from gpt1.errors import UserError
from gpt1.files import publish
from gpt1.tasks import registry
from gpt1.tasks.predictions import Predictions

FILES = {
    "CoLA.tsv": ("cola", "test"),
    "SST-2.tsv": ("sst2", "test"),
    "MRPC.tsv": ("mrpc", "test"),
    "STS-B.tsv": ("stsb", "test"),
    "QQP.tsv": ("qqp", "test"),
    "MNLI-m.tsv": ("mnli", "test_matched"),
    "MNLI-mm.tsv": ("mnli", "test_mismatched"),
    "QNLI.tsv": ("qnli", "test"),
    "RTE.tsv": ("rte", "test"),
    "WNLI.tsv": ("wnli", "test"),
    "AX.tsv": ("mnli", "diagnostic"),
}
"""Name in the archive -> the task and split whose answers it holds."""


def average(scores: Mapping[str, Sequence[float]]) -> float:
    """The mean over tasks, each the mean of its scores: two metrics, or MNLI's two splits."""
    return float(np.mean([np.mean(of_task) for of_task in scores.values()]))


def submission(predictions: Iterable[Predictions], out: Path) -> None:
    """Write the archive for GLUE's server from one model's predictions on every task.

    Raises UserError that names each file for which there are no answers.
    """
    by_task = {each.task.name: each for each in predictions}
    texts = {
        name: _file(by_task[task], split)
        for name, (task, split) in FILES.items()
        if task in by_task and split in by_task[task].split
    }
    missing = [
        f"{name} (from {task}, {split})"
        for name, (task, split) in FILES.items()
        if name not in texts
    ]
    if missing:
        raise UserError(f"a GLUE submission needs every task; there is no {', '.join(missing)}")
    with publish(out) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # without the time of day


def _file(predictions: Predictions, split: str) -> str:
    official = registry.TASKS[predictions.task.name]
    spellings = official.spellings or official.task.labels
    rows = predictions.split == split
    answers = predictions.answers[rows]
    if predictions.task.shape == "regression":
        written = [f"{score:.3f}" for score in answers.clip(0, 5)]
    else:
        written = [spellings[int(answer)] for answer in answers]
    lines = [
        f"{id_}\t{answer}\n" for id_, answer in zip(predictions.id[rows], written, strict=True)
    ]
    return "index\tprediction\n" + "".join(lines)
