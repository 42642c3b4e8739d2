"""What a format's reader builds: examples, and an account of every row that is none."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpt1.errors import UserError
from gpt1.tasks.formats.rows import Row
from gpt1.tasks.table import Example, Task

NO_GOLD = "no gold label"


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where a row's parts are."""

    text: str
    text_pair: str = ""
    choices: Sequence[str] | str = ()
    """One column for each choice, or one column that holds a list."""
    target: str = ""
    id: str = ""
    """Empty: rows are numbered from 0."""
    group: str = ""


@dataclass
class Reading:
    task: Task
    spellings: Sequence[str]
    """How the files write the labels, in the order of the labels; the choices, by place."""
    examples: list[Example] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    """Split -> the file that it was read from."""
    dropped: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """Official sizes of splits, where these files are another edition than the registry's."""

    def table(
        self,
        split: str,
        path: Path,
        rows: Iterable[Row],
        columns: Columns,
        *,
        labelled: bool | None = None,
        no_gold: Sequence[str] = (),
        group: str | None = None,
    ) -> None:
        """Add the rows of one file as a split.

        labelled: whether the target must be there; None: where the header has its column.
        no_gold: what stands for a label that nobody agreed on; such rows are dropped and counted.
        group: that of every row, where no column says it.
        """
        self.files[split] = path.name
        for number, row in enumerate(rows):
            if number == 0:
                labelled = self._check_header(row, columns, labelled)
            needed = _needed(columns, bool(labelled))
            missing = [column for column in needed if row.values.get(column) is None]
            if missing:
                self.drop("too few columns", f"{row.where}: there is no {missing[0]}")
                continue
            target = row.values[columns.target] if labelled else None
            if labelled and str(target) in no_gold:
                self.dropped[NO_GOLD] += 1
                continue
            self.add(
                Example(
                    split,
                    str(row.values[columns.id] if columns.id else number),
                    _text(row, columns.text),
                    _text(row, columns.text_pair) if columns.text_pair else None,
                    _choices(row, columns.choices),
                    self.target(target, row.where) if labelled else None,
                    str(row.values[columns.group]) if columns.group else group,
                ),
                row.where,
            )

    def add(self, example: Example, where: str) -> None:
        """Add an example; one of training without any text is dropped and counted."""
        texts = [example.text, example.text_pair, *(example.choices or ())]
        if any(text is not None and not text.strip() for text in texts):
            if example.split == "train":
                self.drop("empty text", f"{where}: a text is empty")
                return
            self.warn(f"{where}: a text is empty; the row is kept, for {example.split} is scored")
        self.examples.append(example)

    def drop(self, reason: str, warning: str) -> None:
        """Count a row that is no example; say where the first of its kind is."""
        if not self.dropped[reason]:
            self.warn(f"{warning}; dropped, as are all such rows")
        self.dropped[reason] += 1

    def warn(self, warning: str) -> None:
        self.warnings.append(warning)

    def target(self, value: Any, where: str) -> float:
        """A label's place, or a score; raises UserError for anything else."""
        if self.task.shape == "regression":
            try:
                score = float(value)
            except (TypeError, ValueError):
                score = math.nan
            if not math.isfinite(score):
                raise UserError(f"{where}: the score {value!r} is no number")
            return score
        if str(value) not in self.spellings:
            known = ", ".join(self.spellings)
            raise UserError(
                f"{where}: the label {value!r} is none of {known}, those of {self.task.name}"
            )
        return float(list(self.spellings).index(str(value)))

    def _check_header(self, row: Row, columns: Columns, labelled: bool | None) -> bool:
        header = row.header or list(row.values)
        for column in _needed(columns, bool(labelled)):
            if column not in header:
                raise UserError(
                    f"{row.where}: there is no column {column} for the task {self.task.name}, "
                    f"only {', '.join(map(str, header))}; is it another task's file?"
                )
            if list(header).count(column) > 1:
                raise UserError(f"{row.where}: two columns are called {column}; rename one")
        return columns.target in header if labelled is None else labelled


def _needed(columns: Columns, labelled: bool) -> list[str]:
    choices = [columns.choices] if isinstance(columns.choices, str) else columns.choices
    named = [columns.text, columns.text_pair, *choices, columns.id, columns.group]
    return [column for column in [*named, columns.target if labelled else ""] if column]


def _text(row: Row, column: str) -> str:
    return _checked(row, column, row.values[column])


def _checked(row: Row, column: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UserError(f"{row.where}: {column} holds {value!r}, which is no text")
    return value


def _choices(row: Row, columns: Sequence[str] | str) -> tuple[str, ...] | None:
    if not columns:
        return None
    if isinstance(columns, str):
        choices = row.values[columns]
        if not isinstance(choices, list):
            raise UserError(f"{row.where}: {columns} holds {choices!r}, which is no list of texts")
        return tuple(_checked(row, columns, choice) for choice in choices)
    return tuple(_text(row, column) for column in columns)
