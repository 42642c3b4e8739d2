"""Tables of any origin whose columns are mapped by params.yaml or by a source file.

A source file (`.yaml`, as in `hub/`) gives `files`, paths or fsspec addresses, and `columns`:

    at: hf://datasets/OWNER/NAME@REVISION/rte  # prefix of every address, optional
    files:
      train: train-00000-of-00001.parquet
      dev: {middle: middle/dev.parquet, high: high/dev.parquet}  # one file for each group
    columns: {text: sentence1, text_pair: sentence2, target: label}
    labels: ["0", "1"]  # the labels as these files write them, where the task names them otherwise
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gpt1 import hub
from gpt1.errors import UserError, refuse_unknown
from gpt1.files import read_yaml
from gpt1.tasks.formats.collector import ColumnMapping, ExampleCollector
from gpt1.tasks.formats.rows import table_rows

MISSING = ("None", "nan", "")
HIDDEN = (*MISSING, "-1", "-1.0")
"""Values of a label that is not published, unless the task names a label so. A split of nothing
else has no targets."""


@dataclass(frozen=True)
class MappedFiles:
    """The content of a source file; the fields are its keys."""

    files: Mapping[str, str | Mapping[str, str]]
    columns: Mapping[str, Any]
    labels: Sequence[str] = ()
    at: str = ""

    def addresses(self, split: str) -> dict[str | None, str]:
        """Group -> address of a split's files; the one key is None where there are no groups."""
        value = self.files[split]
        groups = value if isinstance(value, Mapping) else {None: value}
        return {group: f"{self.at}/{name}" if self.at else name for group, name in groups.items()}


def read_source_file(path: Path) -> MappedFiles:
    """Raises UserError that names a wrong or missing key, or an address without a commit."""
    values = read_yaml(path)
    for key in ("files", "columns"):
        if not isinstance(values.get(key), dict):
            raise UserError(f"{path}: the section {key} is missing")
    keys = [field.name for field in fields(MappedFiles)]
    refuse_unknown(values, keys, f"{path}: unknown key {{}}")
    if not isinstance(values.get("at", ""), str):
        raise UserError(f"{path}: at is {values['at']!r}, not an address")
    _check_names(values["files"], f"{path}: files")
    for split, files in values["files"].items():
        _check_files(files, f"{path}: files.{split}")
    _check_labels(values.get("labels", []), f"{path}: labels")
    mapped = MappedFiles(**values)
    for split in mapped.files:
        for address in mapped.addresses(split).values():
            hub.check_pinned(address, f"{path}: files.{split}")
    return mapped


def _check_files(files: Any, key: str) -> None:
    """Raises UserError unless a split is one file, or one for each group."""
    if isinstance(files, dict):
        _check_names(files, key)
    for group, name in files.items() if isinstance(files, dict) and files else [("", files)]:
        if not isinstance(name, str) or not name:
            place = f"{key}.{group}" if group else key
            raise UserError(
                f"{place} is {name!r}, not the name of a file; a split is one file, or one for "
                "each group"
            )


def _check_names(names: Mapping[Any, Any], key: str) -> None:
    for name in names:
        if not isinstance(name, str):
            raise UserError(f"{key} has the key {name!r}, which is no text; put it in quotes")


def _check_labels(labels: Any, key: str) -> None:
    if not isinstance(labels, list):
        raise UserError(f'{key} is {labels!r}, not a list of texts such as ["0", "1"]')
    for label in labels:
        if not isinstance(label, str):
            raise UserError(f"{key} has {label!r}, which is no text; put it in quotes")
        if labels.count(label) > 1:
            raise UserError(f"{key} has {label!r} twice")
    if len(labels) == 1:
        raise UserError(f"{key} has {labels[0]!r} alone; a task has two labels or more")


def collect_mapped(mapped: MappedFiles, root: Path, collector: ExampleCollector) -> None:
    """Collect every split; file names that are not addresses are relative to the folder `root`."""
    refuse_unknown(
        mapped.columns, [f.name for f in fields(ColumnMapping)], "columns: unknown key {}"
    )
    for column in ("text", "target"):
        if column not in mapped.columns:
            raise UserError(f"task {collector.task.name}: columns.{column} is missing")
    if "train" not in mapped.files or len(mapped.files) < 2:
        raise UserError(f"task {collector.task.name}: files needs train, and dev or test")
    for key, column in mapped.columns.items():
        names = column if key == "choices" and isinstance(column, list) else [column]
        if not all(isinstance(name, str) for name in names):
            raise UserError(f"task {collector.task.name}: columns.{key} is {column!r}, not a text")
    columns = ColumnMapping(**mapped.columns)
    hidden = [value for value in HIDDEN if value not in collector.raw_labels]
    no_gold = MISSING if collector.task.shape == "regression" else hidden
    for split in mapped.files:
        for group, address in mapped.addresses(split).items():
            with _local(address, root, collector) as path:
                rows = list(table_rows(path))
                targets = [row.values.get(columns.target) for row in rows]
                published = any(not (t is None or str(t) in hidden) for t in targets)
                collector.add_rows(
                    split,
                    path,
                    rows,
                    columns,
                    labelled=split == "train" or published,
                    no_gold=no_gold,
                    group=group,
                )


@contextmanager
def _local(address: str, root: Path, collector: ExampleCollector) -> Iterator[Path]:
    """Yield a local path; a remote file is downloaded into a temporary folder."""
    if "://" not in address:
        path = root / address
        # By its name, as the file itself may be a link to a cache, such as DVC's.
        if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(root)):
            raise UserError(
                f"{address}: lies outside {collector.source}; name files within that folder"
            )
        if not path.is_file():
            raise UserError(f"{collector.show(path)}: no such file; check files in params.yaml")
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="gpt1-task-") as folder:
        path = Path(folder) / address.rsplit("/", 1)[-1].split("?", maxsplit=1)[0]
        hub.download(address, path)
        yield path
