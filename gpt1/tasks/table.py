"""A task as one Parquet table: its examples in one schema, its description in the metadata."""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from gpt1.errors import UserError
from gpt1.files import publish, read_tagged_parquet
from gpt1.params import Shape

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
SCHEMA = pa.schema(
    [
        ("split", pa.string()),  # train, and those that are reported: dev, test, dev_matched, ...
        ("id", pa.string()),  # of the row in its official file, which a submission needs
        ("text", pa.string()),
        ("text_pair", pa.string()),  # hypothesis, second text, or a question about the text
        ("choices", pa.list_(pa.string())),  # in multiple choice only
        ("target", pa.float64()),  # index into `labels` or `choices`, or a score; null: unknown
        ("group", pa.string()),  # scored separately as well, such as RACE's middle and high
    ]
)


@dataclass(frozen=True)
class Task:
    """The description of a task: what its examples ask for, and how answers are scored."""

    name: str
    shape: Shape
    metrics: tuple[str, ...]
    """Names in `gpt1.tasks.metrics.METRICS`; the first is the main metric."""
    labels: tuple[str, ...] = ()
    """In the order of the head's outputs; none for regression and multiple choice."""
    licence: str = ""
    citation: str = ""
    dropped: dict[str, int] = field(default_factory=dict)
    """Reason -> number of rows of the official files that were dropped."""

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
        """Size of the head's output: the number of labels, or 1 for a score."""
        return 1 if self.shape in ("regression", "multiple_choice") else len(self.labels)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Task":
        values = json.loads(text)
        return cls(**values | {key: tuple(values[key]) for key in ("metrics", "labels")})


@dataclass(frozen=True, slots=True)
class Example:
    """One row of a task's table; see `SCHEMA`."""

    split: str
    id: str
    text: str
    text_pair: str | None = None
    choices: tuple[str, ...] | None = None
    target: float | None = None
    group: str | None = None


def without_surrogates(example: Example) -> Example:
    """Replace lone surrogates, which JSON can hold and UTF-8 cannot, by U+FFFD."""

    def repaired(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(repaired, value))
        return LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value

    return Example(*(repaired(getattr(example, name)) for name in Example.__slots__))


def write_task(task: Task, examples: Sequence[Example], path: Path) -> None:
    """Check the examples and publish the task's table.

    Raises UserError for an example without its shape's columns, with a target that is not the index
    of a label, or without a target in the training split.
    """
    for example in examples:
        _check(task, example)
    table = as_table(examples).replace_schema_metadata({"task": task.to_json()})
    with publish(path) as beside:
        pq.write_table(table, beside)


def as_table(examples: Sequence[Example]) -> pa.Table:
    """The examples as a table with `SCHEMA`."""
    columns = {name: [getattr(example, name) for example in examples] for name in Example.__slots__}
    return pa.table(columns, schema=SCHEMA)


def read_table(path: Path) -> pa.Table:
    """Read what `write_task` wrote, as Arrow has it; raises UserError for any other file."""
    return read_tagged_parquet(path, "task", "a task's table")


def read_task(path: Path) -> tuple[Task, list[Example]]:
    """Read what `write_task` wrote; raises UserError for any other file."""
    table = read_table(path)
    task = Task.from_json(table.schema.metadata[b"task"])
    examples = []
    for row in table.to_pylist():
        row["choices"] = tuple(row["choices"]) if row["choices"] is not None else None
        examples.append(Example(**row))
    return task, examples


def split_sizes(examples: Sequence[Example]) -> dict[str, int]:
    """Split -> number of examples, in the order of their first examples."""
    return dict(Counter(example.split for example in examples))


def _check(task: Task, example: Example) -> None:
    where = f"task {task.name}, {example.split} example {example.id}"
    if task.shape in ("entailment", "similarity") and example.text_pair is None:
        raise UserError(f"{where}: {task.shape} needs two texts; text_pair is missing")
    if task.shape == "multiple_choice" and len(example.choices or ()) < 2:
        raise UserError(f"{where}: multiple choice needs two choices or more")
    if example.target is None:
        if example.split == "train":
            raise UserError(f"{where}: a training example needs a label")
    elif task.shape != "regression" and not 0 <= example.target < _count_classes(task, example):
        raise UserError(f"{where}: the target {example.target} is not the index of a label")


def _count_classes(task: Task, example: Example) -> int:
    return len(example.choices or ()) if task.shape == "multiple_choice" else len(task.labels)
