"""Outputs whole or not at all, written beside their place; what is read back from files."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpt1.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


@contextmanager
def publish(out: Path) -> Iterator[Path]:
    """Yield a path beside `out` to write a file or a folder to; move it to `out` at the end.

    When the block raises, what was written is removed and `out` stays as it was.
    """
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.{os.getpid()}.part")
    _remove(beside)
    try:
        yield beside
        if out.is_dir():  # os.replace refuses a folder that is not empty
            _remove(out)
        os.replace(beside, out)
    finally:
        _remove(beside)


def rows(file: "pq.ParquetFile", columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, in order; memory holds one row group.

    Not `iter_batches`, which keeps what it has read until the file ends.
    """
    for group in range(file.num_row_groups):
        for batch in file.read_row_group(group, list(columns)).to_batches(max_chunksize=1000):
            yield from batch.to_pylist()


def read_marked(path: Path, mark: str, what: str) -> "pa.Table":
    """A Parquet file whose metadata has the entry `mark`. Raises UserError: it is not `what`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: not a readable Parquet file ({error}); make it again") from None
    if mark.encode() not in (table.schema.metadata or {}):
        raise UserError(f"{path}: not {what}: its metadata has no entry `{mark}`")
    return table


def write_json(out: Path, values: Any) -> None:
    """Publish a file that people can read."""
    with publish(out) as beside:
        text = json.dumps(values, indent=2, ensure_ascii=False)
        beside.write_text(f"{text}\n", encoding="utf-8")


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file; {} for an empty one. Raises UserError for any other content."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        values = YAML(typ="safe").load(file) or {}
    except YAMLError as error:
        what = " ".join(str(error).split())
        if isinstance(error, MarkedYAMLError) and error.problem_mark:
            what = f"line {error.problem_mark.line + 1}: {error.problem}"
        raise UserError(f"{file}: not YAML: {what}") from None
    if not isinstance(values, dict):
        raise UserError(f"{file}: no keys with values in it, but {values!r}")
    return values


def digest(file: Path) -> str:
    """SHA-256 of its bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
