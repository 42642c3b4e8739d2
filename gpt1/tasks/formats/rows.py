"""Rows of TSV, CSV, JSON lines and Parquet files, each with its place for error messages."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gpt1.errors import UserError


@dataclass(frozen=True)
class Row:
    where: str
    """File name and line or row number, for messages."""
    values: dict[str, Any]
    """Column -> value; columns that a short row does not reach are absent."""
    header: Sequence[str] = ()
    """All columns of the file; empty where each row names its own, as in JSON lines."""


def table_rows(path: Path) -> Iterator[Row]:
    """Read a table with a header by its file extension.

    `.csv` and `.tsv` (both with quoted fields), `.jsonl` or `.parquet`.
    """
    readers = {
        ".csv": lambda: csv_rows(path, ","),
        ".tsv": lambda: csv_rows(path, "\t"),
        ".jsonl": lambda: jsonl_rows(path),
        ".parquet": lambda: parquet_rows(path),
    }
    if path.suffix not in readers:
        raise UserError(f"{path}: unknown extension; use {', '.join(readers)}")
    yield from readers[path.suffix]()


def tsv_rows(path: Path, header: list[str] | None = None) -> Iterator[Row]:
    """Read tab-separated lines in which quotes are literal, as in GLUE.

    The first line is the header, unless `header` is given.
    """
    for number, line in enumerate(_lines(path), 1):
        fields = line.split("\t")
        if header is None:
            header = fields
        elif line:
            yield Row(
                f"{path.name}, line {number}", dict(zip(header, fields, strict=False)), header
            )


def csv_rows(path: Path, delimiter: str) -> Iterator[Row]:
    """Read a table with a header; quoted fields may hold delimiters and line ends."""
    csv.field_size_limit(1 << 30)
    rows = csv.reader(_decoded(path), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        where = f"{path.name}, line {rows.line_num + 1}"
        try:
            fields = next(rows, None)
        except csv.Error as error:
            raise UserError(
                f"{where}: {error}; a quote that opens a field must also close it; "
                "double the quotes within"
            ) from None
        if fields is None:
            return
        if header is None:
            header = fields
        elif len(fields) > len(header):
            raise UserError(
                f"{where}: {len(fields)} columns, the header has {len(header)}; put a text that "
                "holds the delimiter in quotes"
            )
        elif fields:
            yield Row(where, dict(zip(header, fields, strict=False)), header)


def jsonl_rows(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path.name}, line {number}: not JSON ({error})") from None
        if not isinstance(values, dict):
            raise UserError(f"{path.name}, line {number}: not a JSON object")
        yield Row(f"{path.name}, line {number}", values)


def parquet_rows(path: Path) -> Iterator[Row]:
    try:
        values = pq.read_table(path).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path.name}: not a readable Parquet file ({error})") from None
    for number, each in enumerate(values, 1):
        yield Row(f"{path.name}, row {number}", each)


def _lines(path: Path) -> Iterator[str]:
    for line in _decoded(path):
        yield line.rstrip("\n").rstrip("\r")


def _decoded(path: Path) -> Iterator[str]:
    """Split at line feeds only, because texts contain all other line separators."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{path.name}, line {number}: not UTF-8 ({error.reason} at byte "
                    f"{error.start}); save it as UTF-8"
                ) from None
