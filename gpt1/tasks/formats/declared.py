"""Tables of any kind, where somebody says which column is what: one's own task, or a hub's files.

A source file (`.yaml`) gives `files`, whose addresses are those of fsspec, and `columns`:

    at: hf://datasets/OWNER/NAME@REVISION/rte  # what every file's address begins with, if anything
    files:
      train: train-00000-of-00001.parquet
      dev: {middle: middle/dev.parquet, high: high/dev.parquet}  # a file for each group
    columns: {text: sentence1, text_pair: sentence2, target: label}
    labels: ["0", "1"]  # how these files write the task's labels, where it is another way
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gpt1.errors import UserError, refuse_unknown
from gpt1.files import read_yaml
from gpt1.hub import check_pinned
from gpt1.tasks.formats import rows
from gpt1.tasks.formats.reading import Columns, Reading

NONE = ("None", "nan", "")
KEPT_BACK = (*NONE, "-1", "-1.0")
"""What stands for a label that nobody may see, in every row of a split."""


@dataclass(frozen=True)
class Source:
    files: Mapping[str, str | Mapping[str, str]]
    columns: Mapping[str, Any]
    labels: Sequence[str] = ()
    at: str = ""

    def addresses(self, split: str) -> dict[str | None, str]:
        """Of a split's files, by group; None where there are no groups."""
        named = self.files[split]
        groups = named if isinstance(named, Mapping) else {None: named}
        return {group: f"{self.at}/{name}" if self.at else name for group, name in groups.items()}


def source(path: Path) -> Source:
    """Read a source file; raises UserError that names a key which is wrong or missing."""
    values = read_yaml(path)
    for key in ("files", "columns"):
        if not isinstance(values.get(key), dict):
            raise UserError(f"{path}: the section {key} is missing")
    refuse_unknown(values, [field.name for field in fields(Source)], f"{path}: {{}} is no key here")
    found = Source(**values)
    for split in found.files:
        for address in found.addresses(split).values():
            check_pinned(address, f"{path}: files.{split}")
    return found


def declared(found: Source, root: Path, reading: Reading) -> None:
    """Read the files of every split; names that are no addresses are looked for below `root`."""
    refuse_unknown(found.columns, [f.name for f in fields(Columns)], "columns: {} is no key here")
    for column in ("text", "target"):
        if column not in found.columns:
            raise UserError(f"task {reading.task.name}: columns.{column} is missing")
    if "train" not in found.files or len(found.files) < 2:
        raise UserError(f"task {reading.task.name}: files needs train, and dev or test")
    columns = Columns(**found.columns)
    for split in found.files:
        for group, address in found.addresses(split).items():
            with _local(address, root) as path:
                lines = list(rows.read(path))
                targets = {str(line.values.get(columns.target)) for line in lines}
                if split == "train":
                    labelled = True
                else:
                    labelled = bool(columns.target) and not targets <= set(KEPT_BACK)
                reading.table(
                    split,
                    path,
                    lines,
                    columns,
                    labelled=labelled,
                    no_gold=NONE if reading.task.shape == "regression" else KEPT_BACK,
                    group=group,
                )


@contextmanager
def _local(address: str, root: Path) -> Iterator[Path]:
    if "://" not in address:
        path = root / address
        if not path.resolve().is_relative_to(root.resolve()):
            raise UserError(f"{address}: lies outside {root}; files are named within their folder")
        if not path.is_file():
            raise UserError(f"{path}: no such file; check files in params.yaml")
        yield path
        return
    import fsspec

    with tempfile.TemporaryDirectory(prefix="gpt1-task-") as folder:
        path = Path(folder) / address.rsplit("/", 1)[-1].split("?", maxsplit=1)[0]
        try:
            with fsspec.open(address, "rb") as remote, path.open("wb") as local:
                shutil.copyfileobj(remote, local)
        except Exception as error:  # every protocol raises its own
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"{address}: cannot be read ({reason})") from None
        yield path
