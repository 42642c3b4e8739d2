from pathlib import Path

import pytest

from gpt1.errors import UserError
from gpt1.tasks import table
from gpt1.tasks.table import Example, Task

TASK = Task("rte", "entailment", ("accuracy",), ("entailment", "not_entailment"), dropped={"-": 2})
ROWS = [
    Example("train", "7", "A premise.", "A hypothesis.", target=1.0),
    Example("dev", "8", "Another\n“premise”.", "Its hypothesis.", target=0.0, group="news"),
    Example("test", "9", "No label.", "Here."),
]


def test_a_task_and_its_examples_come_back_as_they_were_written(tmp_path: Path) -> None:
    table.write_task(TASK, ROWS, tmp_path / "rte.parquet")
    assert table.read_task(tmp_path / "rte.parquet") == (TASK, ROWS)


def test_choices_come_back_as_they_were_written(tmp_path: Path) -> None:
    task = Task("race", "multiple_choice", ("accuracy",))
    rows = [Example("train", "1", "Text.", "Question?", ("a", "b"), 1.0)]
    table.write_task(task, rows, tmp_path / "t.parquet")
    assert table.read_task(tmp_path / "t.parquet") == (task, rows)


def test_the_same_task_is_written_to_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for path in paths:
        table.write_task(TASK, ROWS, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Example("train", "7", "Alone.", target=0.0), "train example 7: entailment needs two"),
        (Example("train", "7", "A.", "B."), "train example 7: a training example needs a label"),
        (
            Example("dev", "7", "A.", "B.", target=2.0),
            "dev example 7: the target 2.0 is not the index",
        ),
    ],
)
def test_an_example_that_does_not_fit_its_task_is_refused(
    tmp_path: Path, row: Example, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        table.write_task(TASK, [row], tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_shape_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"'ranking' is none of classification, .*multiple_choice"):
        Task("t", "ranking", ("accuracy",))  # type: ignore[arg-type]


def test_a_file_that_is_no_table_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("cut short")
    with pytest.raises(UserError, match=r"t\.parquet: not a readable Parquet file"):
        table.read_task(tmp_path / "t.parquet")
