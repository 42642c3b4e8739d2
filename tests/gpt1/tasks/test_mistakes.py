from pathlib import Path

import numpy as np

from gpt1.tasks import mistakes
from gpt1.tasks.predictions import Predictions, read_predictions, write_predictions
from gpt1.tasks.table import Example, Task

ROWS = [
    Example("dev", "0", "a", target=0.0),
    Example("dev", "1", "b", target=1.0),
    Example("dev", "2", "c", target=1.0),
    Example("test", "0", "d"),
]


def answered(folder: Path) -> Predictions:
    task = Task("t", "classification", ("accuracy",), ("no", "yes"))
    scores = [np.array(each) for each in ([0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.5, 0.5])]
    made_by = {"model": "gpt", "seed": 1, "majority_answer": 0.0, "sha256": ""}
    write_predictions(folder / "p", task, ROWS, scores, **made_by)
    return read_predictions(folder / "p")


def test_a_confusion_matrix_has_labels_as_rows_and_answers_as_columns(tmp_path: Path) -> None:
    found = mistakes.confusion(answered(tmp_path), "dev")
    assert found.to_numpy().tolist() == [[1, 0], [1, 1]]
    assert list(found.columns) == list(found.index) == ["no", "yes"]


def test_the_worst_answer_comes_first_and_rows_without_a_label_do_not_come(
    tmp_path: Path,
) -> None:
    found = mistakes.worst(answered(tmp_path), ROWS, "dev")
    assert found["id"].tolist() == ["2", "1", "0"]
    assert found.loc[0, ["right", "answer", "text"]].tolist() == ["yes", "no", "c"]
    assert np.isclose(found.loc[0, "off"], 0.8)
