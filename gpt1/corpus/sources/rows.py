"""Rows of a table that is read as a stream, each with its place in the file."""

import codecs
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from gpt1 import files

_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


class Row(NamedTuple):
    where: str
    """The number of its line or row, for messages."""
    values: dict[str, Any]


def parquet_rows(file: BinaryIO, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the `columns` of each row. Raises ValueError, as the two readers below do."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(file)
    _check_columns(columns, table.schema_arrow.names, "")
    for number, values in enumerate(files.iterate_rows(table, columns), 1):
        yield Row(f"row {number}", values)


def jsonl_rows(file: BinaryIO, columns: Sequence[str]) -> Iterator[Row]:
    for number, line in enumerate(text_lines(file), 1):
        if not line.strip():
            continue
        where = f"line {number}"
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where} is not JSON ({error})") from None
        if not isinstance(values, dict):
            raise ValueError(f"{where} is not an object with keys")
        _check_columns(columns, list(values), f"{where}: ")
        yield Row(where, values)


def csv_rows(file: BinaryIO, columns: Sequence[str]) -> Iterator[Row]:
    """A row that is longer or shorter than the header was not quoted as it should be."""
    header: list[str] = []
    for number, fields in files.csv_rows(text_lines(file)):
        where = f"line {number}"
        if not header:
            header = fields
            _check_columns(columns, header, f"{where}: ")
        elif fields:
            yield Row(where, _by_column(fields, header, columns, where))
    if not header:
        raise ValueError("no header")


def text_lines(file: BinaryIO) -> Iterator[str]:
    """Decode UTF-8 line by line. Raises ValueError for UTF-16 and UTF-32."""
    for number, line in enumerate(file):
        if number == 0 and (line.startswith(_WIDE) or b"\0" in line):
            raise ValueError("line 1 is not UTF-8 but UTF-16 or UTF-32; save the file as UTF-8")
        yield line.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")


def _by_column(
    fields: list[str], header: list[str], columns: Sequence[str], where: str
) -> dict[str, str]:
    values = dict(zip(header, fields, strict=False))
    beyond = any(field.strip() for field in fields[len(header) :])  # spreadsheets add empty ones
    if beyond or not values.keys() >= set(columns):
        raise ValueError(
            f"{where}: {len(fields)} columns, the header has {len(header)}; put a text that holds "
            "the delimiter or a line end in quotes"
        )
    return values


def _check_columns(columns: Sequence[str], present: Sequence[str], where: str) -> None:
    counts = Counter(present)
    for column in columns:
        if not counts[column]:
            there = ", ".join(sorted(present))
            raise ValueError(f"{where}no column {column}; there are {there}")
        if counts[column] > 1:
            raise ValueError(f"{where}{counts[column]} columns {column}; rename all but one")
