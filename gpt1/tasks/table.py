"""A task is one table: examples in one Parquet schema, their description in its metadata."""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from gpt1.errors import UserError
from gpt1.files import publish, read_tagged_parquet

Shape = Literal["classification", "entailment", "similarity", "regression", "multiple_choice"]

SCHEMA = pa.schema(
    [
        ("split", pa.string()),  # train, then what is reported: dev, test, dev_matched, ...
        ("id", pa.string()),  # the row's name in its official file, which a submission needs
        ("text", pa.string()),
        ("text_pair", pa.string()),  # hypothesis, second text, or a question about the text
        ("choices", pa.list_(pa.string())),  # multiple choice alone
        ("target", pa.float64()),  # place in `labels` or in `choices`, or a score; null: unknown
        ("group", pa.string()),  # scored apart as well, such as RACE's middle and high
    ]
)


@dataclass(frozen=True)
class Task:
    """What a table's examples ask for."""

    name: str
    shape: Shape
    metrics: tuple[str, ...]
    """The first is the main one; all of them are named in `gpt1.tasks.metrics`."""
    labels: tuple[str, ...] = ()
    """In the order of the classifier's outputs; none for regression and multiple choice."""
    licence: str = ""
    citation: str = ""
    dropped: dict[str, int] = field(default_factory=dict)
    """Rows of the official files that are no example: reason -> how many."""

    def __post_init__(self) -> None:
        if self.shape not in get_args(Shape):
            known = ", ".join(get_args(Shape))
            raise UserError(f"task {self.name}: the shape {self.shape!r} is none of {known}")
        if self.outputs < 1 or (
            self.shape in ("classification", "entailment") and self.outputs < 2
        ):
            raise UserError(f"task {self.name}: {self.shape} needs two labels or more")

    @property
    def outputs(self) -> int:
        """Outputs of the classifier: one for each label, or a single score."""
        return 1 if self.shape in ("regression", "multiple_choice") else len(self.labels)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Task":
        values = json.loads(text)
        return cls(**values | {key: tuple(values[key]) for key in ("metrics", "labels")})


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a task's table; the columns are explained at `SCHEMA`."""

    split: str
    id: str
    text: str
    text_pair: str | None = None
    choices: tuple[str, ...] | None = None
    target: float | None = None
    group: str | None = None


def write(task: Task, examples: Sequence[Example], path: Path) -> None:
    """Check and write a task's table.

    Raises UserError for an example that does not have its shape's columns, or whose target is no
    label; in training it must have one.
    """
    for example in examples:
        _check(task, example)
    columns = {name: [getattr(example, name) for example in examples] for name in Example.__slots__}
    table = pa.table(columns, schema=SCHEMA).replace_schema_metadata({"task": task.to_json()})
    with publish(path) as beside:
        pq.write_table(table, beside)


def read(path: Path) -> tuple[Task, list[Example]]:
    """Read what `write` wrote; raises UserError for any other file."""
    table = read_tagged_parquet(path, "task", "a task's table")
    task = Task.from_json(table.schema.metadata[b"task"])
    examples = []
    for row in table.to_pylist():
        row["choices"] = tuple(row["choices"]) if row["choices"] is not None else None
        examples.append(Example(**row))
    return task, examples


def sizes(examples: Sequence[Example]) -> dict[str, int]:
    """How many examples each split has, in the order in which they come."""
    return dict(Counter(example.split for example in examples))


def _check(task: Task, example: Example) -> None:
    where = f"task {task.name}, {example.split} example {example.id}"
    if task.shape in ("entailment", "similarity") and example.text_pair is None:
        raise UserError(f"{where}: {task.shape} needs two texts, and the second is missing")
    if task.shape == "multiple_choice" and len(example.choices or ()) < 2:
        raise UserError(f"{where}: multiple choice needs two choices or more")
    if example.target is None:
        if example.split == "train":
            raise UserError(f"{where}: training examples need a label, and this one has none")
    elif task.shape != "regression" and not 0 <= example.target < _classes(task, example):
        raise UserError(f"{where}: the target {example.target} is no place in its labels")


def _classes(task: Task, example: Example) -> int:
    return len(example.choices or ()) if task.shape == "multiple_choice" else len(task.labels)
