import zipfile
from pathlib import Path

import numpy as np
import pytest

from gpt1.errors import UserError
from gpt1.tasks import glue_submission, registry
from gpt1.tasks.glue_submission import ARCHIVE_FILES, write_submission
from gpt1.tasks.predictions import Predictions, read_predictions, write_predictions
from gpt1.tasks.table import Example

PUBLISHED = {
    "cola": [45.4],
    "sst2": [91.3],
    "mrpc": [82.3, 75.7],
    "stsb": [82.0, 80.0],
    "qqp": [70.3, 88.5],
    "mnli": [82.1, 81.4],
    "qnli": [88.1],
    "rte": [56.0],
    "wnli": [53.4],
}
"""GPT-1 on GLUE's leaderboard."""


def test_the_average_of_the_published_scores_is_the_papers() -> None:
    assert round(glue_submission.average(PUBLISHED), 1) == 72.8


def test_the_average_of_the_papers_ablation_is_that_of_its_single_columns() -> None:
    row = [45.4, 91.3, 82.3, 82.0, 70.3, 81.8, 88.1, 56.0]
    assert glue_submission.average(
        {str(n): [score] for n, score in enumerate(row)}
    ) == pytest.approx(74.7, abs=0.051)


def answered(folder: Path, name: str) -> Predictions:
    task = registry.TASKS[name].task
    splits = [split for _, (of, split) in ARCHIVE_FILES.items() if of == name]
    rows = [Example(split, str(n), "A", "B") for split in splits for n in range(3)]
    scores = [np.eye(3)[n % task.outputs][: task.outputs] for _ in splits for n in range(3)]
    if task.shape == "regression":
        scores = [np.array([value]) for value in (-0.2, 2.5, 5.3)]
    path = folder / f"{name}.parquet"
    made_by = {"model": "gpt", "seed": 1, "majority_answer": 0.0, "sha256": ""}
    write_predictions(path, task, rows, scores, **made_by)
    return read_predictions(path)


def names() -> list[str]:
    return sorted({task for task, _ in ARCHIVE_FILES.values()})


def test_a_submission_has_the_official_names_headers_and_raw_labels(tmp_path: Path) -> None:
    write_submission([answered(tmp_path, name) for name in names()], tmp_path / "glue.zip")
    with zipfile.ZipFile(tmp_path / "glue.zip") as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert len(texts) == 11
    assert texts["SST-2.tsv"] == "index\tprediction\n0\t0\n1\t1\n2\t0\n"
    assert texts["RTE.tsv"].splitlines()[1:3] == ["0\tentailment", "1\tnot_entailment"]
    assert texts["AX.tsv"].splitlines()[3] == "2\tcontradiction"
    assert texts["STS-B.tsv"] == "index\tprediction\n0\t0.000\n1\t2.500\n2\t5.000\n"


def test_a_submission_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    found = [answered(tmp_path, name) for name in names()]
    for name in ("one.zip", "two.zip"):
        write_submission(found, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_submission_that_lacks_a_task_names_its_files(tmp_path: Path) -> None:
    found = [answered(tmp_path, name) for name in names() if name != "rte"]
    with pytest.raises(UserError, match=r"missing: RTE\.tsv \(from rte, test\)$"):
        write_submission(found, tmp_path / "glue.zip")
    assert not (tmp_path / "glue.zip").exists()
