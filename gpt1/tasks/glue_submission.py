"""The archive that GLUE's server scores, and GLUE's average (Wang et al., 2019)."""

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from gpt1.errors import UserError
from gpt1.files import publish
from gpt1.tasks import registry
from gpt1.tasks.predictions import Predictions

ARCHIVE_FILES = {
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
"""Name in the archive -> the task and split whose answers it contains."""


def average(scores: Mapping[str, Sequence[float]]) -> float:
    """The mean over tasks, each the mean of its scores: two metrics, or MNLI's two splits."""
    return float(np.mean([np.mean(of_task) for of_task in scores.values()]))


def write_submission(predictions: Iterable[Predictions], out: Path) -> None:
    """Publish the archive for GLUE's server from one model's predictions on all tasks.

    Raises UserError that names each file without answers.
    """
    by_task = {each.task.name: each for each in predictions}
    texts = {
        name: _tsv(by_task[task], split)
        for name, (task, split) in ARCHIVE_FILES.items()
        if task in by_task and split in by_task[task].split
    }
    missing = [
        f"{name} (from {task}, {split})"
        for name, (task, split) in ARCHIVE_FILES.items()
        if name not in texts
    ]
    if missing:
        raise UserError(f"a GLUE submission needs every task; missing: {', '.join(missing)}")
    with publish(out) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(
                zipfile.ZipInfo(name), text
            )  # with a fixed date, so that the bytes are reproducible


def _tsv(predictions: Predictions, split: str) -> str:
    registered = registry.TASKS[predictions.task.name]
    raw_labels = registered.raw_labels or registered.task.labels
    rows = predictions.split == split
    answers = predictions.answers[rows]
    if predictions.task.shape == "regression":
        written = [f"{score:.3f}" for score in answers.clip(0, 5)]
    else:
        written = [raw_labels[int(answer)] for answer in answers]
    lines = [
        f"{id_}\t{answer}\n" for id_, answer in zip(predictions.id[rows], written, strict=True)
    ]
    return "index\tprediction\n" + "".join(lines)
