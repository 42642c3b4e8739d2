"""Atomic outputs, and readers of Parquet, JSON and YAML files."""

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpt1.errors import UserError, reading

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

PARTIAL = ".part"
"""How the name of an output ends that is not whole yet: `.NAME.PID.part`. DVC and git ignore it."""


@contextmanager
def publish(out: Path, *, durable: bool = False) -> Iterator[Path]:
    """Write an output atomically: yield a path beside `out`, and move it to `out` at the end.

    The block may write a file or a folder there. When it raises, what it wrote is removed and
    `out` stays as it was. durable: return only when all of it is on the disk, also for a power cut
    (fsync), which takes the time to write it.
    """
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}{PARTIAL}")
    remove(temporary)
    try:
        yield temporary
        if durable:
            for path in [*temporary.rglob("*"), temporary]:
                _sync(path)
        if out.is_dir():  # os.replace refuses a folder that is not empty
            remove(out)
        os.replace(temporary, out)
        if durable:
            _sync(out.parent)
    finally:
        remove(temporary)


def _sync(path: Path) -> None:
    with suppress(*[OSError] if path.is_dir() else []):  # some file systems refuse it for folders
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def iterate_rows(file: "pq.ParquetFile", columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file in order; memory holds one row group.

    `iter_batches` would keep every row group that it has read until the end of the file.
    """
    for group in range(file.num_row_groups):
        for batch in file.read_row_group(group, list(columns)).to_batches(max_chunksize=1000):
            yield from batch.to_pylist()


def csv_rows(lines: Iterable[str], delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Yield (number of its first line, fields) of each row; a row of a blank line has none.

    Quoted fields may hold delimiters and line ends. Raises ValueError, which says the line and what
    to do: without `strict`, an unclosed quote would swallow the rows behind it.
    """
    csv.field_size_limit(1 << 30)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        number = rows.line_num + 1
        try:
            fields = next(rows, None)
        except csv.Error as error:
            remedy = "a quote that opens a field must also close it; double the quotes within"
            if "new-line" in str(error):
                remedy = (
                    "put a text that holds a carriage return in quotes, or save with line feeds"
                )
            raise ValueError(f"line {number}: {error}; {remedy}") from None
        if fields is None:
            return
        yield number, fields


def read_tagged_parquet(path: Path, key: str, what: str) -> "pa.Table":
    """Read a Parquet file whose schema metadata has the entry `key`.

    Raises UserError when it is unreadable or lacks the entry, and so is not `what` ("a ... file").
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: not a readable Parquet file ({error}); make it again") from None
    if key.encode() not in (table.schema.metadata or {}):
        raise UserError(f"{path}: not {what}: its metadata has no entry `{key}`")
    return table


def write_json(out: Path, values: Any) -> None:
    """Write indented JSON atomically."""
    with publish(out) as temporary:
        text = json.dumps(values, indent=2, ensure_ascii=False)
        temporary.write_text(f"{text}\n", encoding="utf-8")


def read_json(file: Path) -> Any:
    """Read JSON in UTF-8, with or without a byte-order mark. Raises UserError for anything else."""
    with reading(file, "not JSON ({})"):
        return json.loads(file.read_text("utf-8-sig"))


def read_yaml(file: Path) -> dict[str, Any]:
    """Read the mapping in a YAML file; an empty file gives {}.

    Raises UserError when it is not YAML, or not a mapping.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        values = YAML(typ="safe").load(file) or {}
    except (YAMLError, ValueError) as error:  # ValueError: a date such as 2020-99-99
        what = " ".join(str(error).split())
        if isinstance(error, MarkedYAMLError) and error.problem_mark:
            what = f"line {error.problem_mark.line + 1}: {error.problem}"
        if isinstance(error, DuplicateKeyError) and error.problem_mark:
            key = str(error.problem).split('"')[1]
            line = error.problem_mark.line + 1
            raise UserError(f"{file}: line {line}: the key `{key}` a second time") from None
        raise UserError(f"{file}: not YAML: {what}") from None
    if not isinstance(values, dict):
        raise UserError(f"{file}: expected keys with values, found {values!r}")
    return values


def sha256(file: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
