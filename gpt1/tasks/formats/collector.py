"""What a reader fills: examples, and an account of every row that is dropped."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpt1.errors import UserError
from gpt1.tasks.formats.rows import Row
from gpt1.tasks.table import Example, Task, without_surrogates

NO_GOLD = "no gold label"
ABSENT = object()


@dataclass(frozen=True, kw_only=True)
class ColumnMapping:
    """The column of a file that holds each part of an example."""

    text: str
    text_pair: str = ""
    choices: Sequence[str] | str = ()
    """One column for each choice, or one column that holds a list."""
    target: str = ""
    id: str = ""
    """Empty: rows are numbered from 0."""
    group: str = ""


@dataclass
class ExampleCollector:
    task: Task
    raw_labels: Sequence[str]
    """The labels as the files write them, in the order of the task's labels. In multiple choice the
    names of the positions, such as A, B, C, D."""
    source: Path = Path()
    """The folder, archive or file that params.yaml names."""
    root: Path = Path()
    """The folder with its content: `source` itself, or where it was unpacked."""
    examples: list[Example] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    """Split -> name of the file that it comes from."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Reason -> number of rows."""
    warnings: list[str] = field(default_factory=list)
    published_sizes: dict[str, int] = field(default_factory=dict)
    """Split -> examples, where these files are another edition than the registry's."""

    def add_rows(
        self,
        split: str,
        path: Path,
        rows: Iterable[Row],
        columns: ColumnMapping,
        *,
        labelled: bool | None = None,
        no_gold: Sequence[str] = (),
        group: str | None = None,
    ) -> None:
        """Add the rows of one file to a split.

        labelled: whether rows have a target; None: they have one if the header has its column.
        no_gold: values that mean that there is no label, as a null does; such rows are dropped and
            counted.
        group: the group of every row, where no column holds it.

        Rows with too few or too many columns are dropped and counted. Raises UserError for a
        missing or doubled column, and for a value of the wrong type.
        """
        self.files[split] = path.name
        for number, row in enumerate(rows):
            if number == 0:
                labelled = self._check_header(row, columns, labelled)
            if row.beyond:
                told = f"{row.where}: {row.beyond} more columns than the header"
                self.drop("too many columns", told)
                continue
            target = row.values.get(columns.target, ABSENT) if labelled else None
            if labelled and (target is None or str(target) in no_gold):
                self.drop(NO_GOLD, f"{row.where}: {columns.target} is {target!r}, no gold label")
                continue
            required = _required(columns, bool(labelled))
            missing = [c for c in required if c != columns.target and row.values.get(c) is None]
            if missing or target is ABSENT:
                column = (missing or [columns.target])[0]
                self.drop("too few columns", f"{row.where}: there is no {column}")
                continue
            self.add(
                Example(
                    split,
                    str(row.values[columns.id] if columns.id else number),
                    _text(row, columns.text),
                    _text(row, columns.text_pair) if columns.text_pair else None,
                    _choices(row, columns.choices),
                    self.parse_target(target, row.where) if labelled else None,
                    str(row.values[columns.group]) if columns.group else group,
                ),
                row.where,
            )

    def add(self, example: Example, where: str) -> None:
        """Add one example. A training example with an empty text is dropped and counted."""
        repaired = without_surrogates(example)
        if repaired != example:
            self.warn(f"{where}: half of a surrogate pair is no character; it became U+FFFD")
            example = repaired
        texts = [example.text, example.text_pair, *(example.choices or ())]
        if any(text is not None and not text.strip() for text in texts):
            if example.split == "train":
                self.drop("empty text", f"{where}: a text is empty")
                return
            self.warn(f"{where}: a text is empty; the row is kept, as {example.split} is scored")
        self.examples.append(example)

    def drop(self, reason: str, warning: str) -> None:
        """Count a dropped row; `warning` names the first row of each reason."""
        if not self.dropped[reason]:
            self.warn(f"{warning}; dropped, as are all such rows")
        self.dropped[reason] += 1

    def warn(self, warning: str) -> None:
        self.warnings.append(warning)

    def show(self, path: Path) -> str:
        """A path below `root` as people know it, who see no temporary folder."""
        return str(self.source / path.relative_to(self.root))

    def parse_target(self, value: Any, where: str) -> float:
        """The index of a raw label, or the score of a regression; raises UserError for others."""
        if self.task.shape == "regression":
            try:
                score = float(value)
            except (TypeError, ValueError):
                score = math.nan
            if not math.isfinite(score):
                raise UserError(f"{where}: the score {value!r} is not a finite number")
            return score
        if str(value) not in self.raw_labels:
            known = ", ".join(self.raw_labels)
            raise UserError(
                f"{where}: unknown label {value!r}; the labels of {self.task.name} are {known}"
            )
        return float(list(self.raw_labels).index(str(value)))

    def _check_header(self, row: Row, columns: ColumnMapping, labelled: bool | None) -> bool:
        header = row.header or list(row.values)
        for column in _required(columns, bool(labelled)):
            if column not in header:
                raise UserError(
                    f"{row.where}: no column {column} for the task {self.task.name}, "
                    f"only {', '.join(map(str, header))}; is it another task's file?"
                )
            if list(header).count(column) > 1:
                raise UserError(f"{row.where}: two columns are called {column}; rename one")
        return columns.target in header if labelled is None else labelled


Reader = Callable[[Path, ExampleCollector], None]
"""Collects the examples of all splits from the files below a folder.

Raises UserError that names the file or row at fault.
"""


def _required(columns: ColumnMapping, labelled: bool) -> list[str]:
    choices = [columns.choices] if isinstance(columns.choices, str) else columns.choices
    named = [columns.text, columns.text_pair, *choices, columns.id, columns.group]
    return [column for column in [*named, columns.target if labelled else ""] if column]


def _text(row: Row, column: str) -> str:
    return _check_text(row, column, row.values[column])


def _check_text(row: Row, column: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UserError(f"{row.where}: column {column} holds {value!r}, not a text")
    return value


def _choices(row: Row, columns: Sequence[str] | str) -> tuple[str, ...] | None:
    if not columns:
        return None
    if isinstance(columns, str):
        choices = row.values[columns]
        if not isinstance(choices, list):
            raise UserError(f"{row.where}: column {columns} holds {choices!r}, not a list of texts")
        return tuple(_check_text(row, columns, choice) for choice in choices)
    return tuple(_text(row, column) for column in columns)
