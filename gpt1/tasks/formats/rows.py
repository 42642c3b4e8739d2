"""Rows of text tables, each with the place that a message about it names."""

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
    """The file and line, or row."""
    values: dict[str, Any]
    """By column; a column that the row is too short for is not in it."""
    header: Sequence[str] = ()
    """Every column of the file; empty where each row names its own."""


def read(path: Path) -> Iterator[Row]:
    """Any table with a header, by the ending of its name: CSV, TSV (quotes are quotes in both),
    JSON lines or Parquet."""
    readers = {
        ".csv": lambda: quoted(path, ","),
        ".tsv": lambda: quoted(path, "\t"),
        ".jsonl": lambda: json_lines(path),
        ".parquet": lambda: parquet(path),
    }
    if path.suffix not in readers:
        raise UserError(f"{path}: give a file ending in {', '.join(readers)}")
    yield from readers[path.suffix]()


def tabs(path: Path, header: list[str] | None = None) -> Iterator[Row]:
    """Tab-separated lines in which a quote is a letter like any other, as in GLUE.

    The first line is the header unless `header` says that there is none.
    """
    for number, line in enumerate(_lines(path), 1):
        fields = line.split("\t")
        if header is None:
            header = fields
        elif line:
            yield Row(
                f"{path.name}, line {number}", dict(zip(header, fields, strict=False)), header
            )


def quoted(path: Path, delimiter: str) -> Iterator[Row]:
    """A spreadsheet's table with a header: fields in quotes may hold delimiters and line ends."""
    csv.field_size_limit(1 << 30)
    rows = csv.reader(_decoded(path), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        where = f"{path.name}, line {rows.line_num + 1}"
        try:
            fields = next(rows, None)
        except csv.Error as error:
            raise UserError(
                f"{where}: {error}; a quote that opens a field closes it too, double those within"
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


def json_lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path.name}, line {number}: not JSON ({error})") from None
        if not isinstance(values, dict):
            raise UserError(f"{path.name}, line {number}: not a JSON object with named values")
        yield Row(f"{path.name}, line {number}", values)


def parquet(path: Path) -> Iterator[Row]:
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
    """Lines end at line feeds alone: texts hold every other kind of separator."""
    with path.open("rb") as opened:
        for number, line in enumerate(opened, 1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{path.name}, line {number}: not UTF-8 ({error.reason} at byte "
                    f"{error.start}); save it as UTF-8"
                ) from None
