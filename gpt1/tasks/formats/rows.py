"""Rows of TSV, CSV, JSON lines and Parquet files, each with its place for error messages."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from gpt1 import files
from gpt1.errors import UserError, reading

DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Row:
    where: str
    """File name and line or row number, for messages."""
    values: dict[str, Any]
    """Column -> value; columns that a short row does not reach are absent."""
    header: Sequence[str] = ()
    """All columns of the file; empty where each row names its own, as in JSON lines."""
    beyond: int = 0
    """Fields beyond the header, which leave open what belongs to which column."""


def table_rows(path: Path) -> Iterator[Row]:
    """Read a table with a header by its file extension.

    `.csv` and `.tsv` (both with quoted fields), `.jsonl` or `.parquet`. Raises UserError for a row
    with more fields than the header.
    """
    match path.suffix.lower():
        case ".csv":
            rows = csv_rows(path, ",")
        case ".tsv":
            rows = csv_rows(path, "\t")
        case ".jsonl":
            rows = jsonl_rows(path)
        case ".parquet":
            rows = parquet_rows(path)
        case _:
            raise UserError(f"{path.name}: unknown extension; use {', '.join(TABLES)}")
    for row in rows:
        if row.beyond:
            columns = len(row.header)
            raise UserError(
                f"{row.where}: {columns + row.beyond} columns, the header has {columns}; put a "
                "text that holds the delimiter in quotes"
            )
        yield row


def tsv_rows(path: Path, header: list[str] | None = None) -> Iterator[Row]:
    """Read tab-separated lines in which quotes are literal, as in GLUE.

    The first line that is not blank is the header, unless `header` is given.
    """
    for number, line in enumerate(lines(path), 1):
        fields = line.split("\t")
        if header is None and line.strip():
            _check_delimiter(f"{path.name}, line {number}", line, "\t")
            header = fields
        elif header is not None and line:
            yield _row(f"{path.name}, line {number}", header, fields)


def csv_rows(path: Path, delimiter: str) -> Iterator[Row]:
    """Read a table with a header, the first line that is not blank.

    Quoted fields may hold delimiters and line ends.
    """
    header: list[str] | None = None
    try:
        for number, fields in files.csv_rows(_with_delimiter(path, delimiter), delimiter):
            if header is None and any(field.strip() for field in fields):
                header = fields
            elif header is not None and fields:
                yield _row(f"{path.name}, line {number}", header, fields)
    except ValueError as error:
        raise UserError(f"{path.name}, {error}") from None


def jsonl_rows(path: Path) -> Iterator[Row]:
    for number, line in enumerate(lines(path), 1):
        if not line.strip():
            continue
        with reading(f"{path.name}, line {number}", "not JSON ({})"):
            values = json.loads(line)
        if not isinstance(values, dict):
            raise UserError(f"{path.name}, line {number}: not a JSON object")
        yield Row(f"{path.name}, line {number}", values)


def parquet_rows(path: Path) -> Iterator[Row]:
    with reading(path.name, "not a readable Parquet file ({})"):
        values = pq.read_table(path).to_pylist()
    for number, each in enumerate(values, 1):
        yield Row(f"{path.name}, row {number}", each)


def _row(where: str, header: Sequence[str], fields: list[str]) -> Row:
    """Empty fields beyond the header do not count: spreadsheets and editors add them."""
    beyond = fields[len(header) :]
    while beyond and not beyond[-1].strip():
        beyond.pop()
    return Row(where, dict(zip(header, fields, strict=False)), header, len(beyond))


def _with_delimiter(path: Path, delimiter: str) -> Iterator[str]:
    """The lines of a table; the header's delimiter is checked before it is split."""
    is_header_next = True
    for number, line in enumerate(_decoded(path), 1):
        if is_header_next and line.strip():
            _check_delimiter(f"{path.name}, line {number}", line, delimiter)
            is_header_next = False
        yield line


def _check_delimiter(where: str, header: str, delimiter: str) -> None:
    """A table has two columns or more, so that its delimiter is in its header."""
    others = [other for other in DELIMITERS if other in header]
    if delimiter not in header and others:
        raise UserError(
            f"{where}: {DELIMITERS[others[0]]}s separate the columns; save the file "
            f"with {DELIMITERS[delimiter]}s"
        )


def lines(path: Path) -> Iterator[str]:
    """The lines of a text file in UTF-8, without their ends. Raises UserError for other bytes."""
    for line in _decoded(path):
        yield line.rstrip("\n").rstrip("\r")


def _decoded(path: Path) -> Iterator[str]:
    """Split at line feeds only, because texts contain all other line separators."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1 and b"\r" in line.rstrip(b"\r\n") and not file.peek(1):
                raise UserError(
                    f"{path.name}: its lines end as those of old Macs, with a carriage return "
                    "alone; save it with line feeds"
                )
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{path.name}, line {number}: not UTF-8 ({error.reason} at byte "
                    f"{error.start}); save it as UTF-8"
                ) from None
