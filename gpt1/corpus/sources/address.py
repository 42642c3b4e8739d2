"""Books in tables and dumps at any address that fsspec opens: a path, https, s3, hf (the hub).

A source file describes them:

    address: hf://datasets/OWNER/NAME@REVISION/data/*.parquet   # one file, or a pattern
    format: parquet          # or jsonl, csv, lines
    text: text               # the column with the text; not for `lines`
    book: title              # neighbouring rows with equal values are one book; without: each row
    lines: 6700              # only for `lines`: how many make one document

Rows are streamed; nothing is stored on the disk.
"""

import codecs
import csv
import json
import posixpath
import sys
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from gpt1.corpus.sources.book import Book, origin_name
from gpt1.corpus.sources.encoding import Decoded
from gpt1.errors import UserError, refuse_unknown
from gpt1.files import iterate_rows
from gpt1.hub import check_pinned

KEYS = {"address", "format", "text", "book", "lines"}


@dataclass(frozen=True)
class _Source:
    """The checked content of the source file `path`."""

    path: Path
    address: str
    text: str
    book: str
    lines: int

    def error(self, file: str, message: str) -> UserError:
        return UserError(f"{self.path}: {file}: {message}")


def read_address(path: Path, values: dict[str, Any], skip: Container[str]) -> Iterator[Book]:
    """Yield the books at the address in `values`, the content of the source file `path`.

    skip: names of files to leave out.
    Raises UserError when the source file is wrong, or a file is missing or cannot be read.
    """
    source = _checked(path, values)
    read_rows = _FORMATS[values["format"]]
    for opener, name in _files(source):
        if name in skip:
            continue
        if values["format"] == "lines":
            yield from _dump_books(opener, name, source)
            continue
        numbered = enumerate(read_rows(opener, name, source))
        if not source.book:
            for number, (_, text) in numbered:
                yield _book(f"{name}-{number:07d}", f"{name}#{number}", text)
            continue
        for title, group in groupby(numbered, key=lambda row: row[1][0]):
            texts = [text for _, (_, text) in group]
            yield _book(title, f"{name}#{title}", "\n".join(texts))


def _checked(path: Path, values: dict[str, Any]) -> _Source:
    refuse_unknown(values, sorted(KEYS), f"{path}: {{}} is no key here")
    address, kind = str(values.get("address", "")), values.get("format")
    if kind not in _FORMATS:
        raise UserError(f"{path}: format = {kind!r}; one of {', '.join(_FORMATS)} is needed")
    if kind != "lines" and not values.get("text"):
        raise UserError(f"{path}: text is missing: the column that holds the text")
    check_pinned(address, f"{path}: {address}")
    return _Source(
        path,
        address,
        values.get("text", ""),
        values.get("book", ""),
        int(values.get("lines", 6700)),  # 74 million sentences in 11,038 books: Zhu et al. 2015
    )


def _files(source: _Source) -> Iterator[tuple[Any, str]]:
    """Yield an fsspec opener for each file at the address, and its path below their folder."""
    import fsspec

    with _as_user_error(source, source.address):
        files = fsspec.open_files(source.address, "rb", compression="infer")
    if not files:
        raise source.error(source.address, "not found")
    folder = posixpath.commonpath([posixpath.dirname(file.path) for file in files])
    for file in files:
        yield file, origin_name(file.path[len(folder) :].lstrip("/"))


def _parquet_rows(opener: Any, name: str, source: _Source) -> Iterator[tuple[str, str]]:
    """Yield the title (or "") and the text of each row, as the two readers below do."""
    import pyarrow.parquet as pq

    columns = [column for column in (source.book, source.text) if column]
    with _as_user_error(source, name), opener as opened:
        file = pq.ParquetFile(opened)
        _check_columns(columns, file.schema_arrow.names, name, source)
        for row in iterate_rows(file, columns):
            yield _text(row.get(source.book)), _text(row[source.text])


def _jsonl_rows(opener: Any, name: str, source: _Source) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_lines(opener, name, source), start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise source.error(name, f"line {number} is not JSON ({error})") from None
        if not isinstance(row, dict):
            raise source.error(name, f"line {number} is not an object with keys")
        _check_columns([source.text, *filter(None, [source.book])], row, name, source)
        yield _text(row.get(source.book)), _text(row[source.text])


def _csv_rows(opener: Any, name: str, source: _Source) -> Iterator[tuple[str, str]]:
    csv.field_size_limit(sys.maxsize)
    table = csv.DictReader(_lines(opener, name, source))
    columns = [source.text, *filter(None, [source.book])]
    with _as_user_error(source, name):
        _check_columns(columns, table.fieldnames or [], name, source)
        for row in table:
            yield str(row.get(source.book) or ""), row[source.text] or ""


def _dump_books(opener: Any, name: str, source: _Source) -> Iterator[Book]:
    """Cut a dump without book boundaries into books of `source.lines` lines."""
    lines = _lines(opener, name, source)
    number = 0
    while stretch := list(islice(lines, source.lines)):
        yield _book(f"{name}-{number:06d}", f"{name}#{number}", "".join(stretch))
        number += 1


def _lines(opener: Any, name: str, source: _Source) -> Iterator[str]:
    with _as_user_error(source, name), opener as opened:
        for line in opened:
            yield line.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")


def _text(value: Any) -> str:
    """A value of a row; Parquet has text also as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _book(name: str, origin: str, text: str) -> Book:
    return Book.from_text(name, origin, Decoded(text, ("utf-8",)))


@contextmanager
def _as_user_error(source: _Source, file: str) -> Iterator[None]:
    """Turn any exception into a UserError: each file system and network raises its own kinds."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise source.error(file, "not found") from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise source.error(file, reason) from None


def _check_columns(columns: list[str], present: Any, name: str, source: _Source) -> None:
    for column in columns:
        if column not in present:
            raise source.error(name, f"no column {column}; there are {', '.join(sorted(present))}")


_FORMATS: dict[str, Callable[[Any, str, _Source], Iterator[Any]]] = {
    "parquet": _parquet_rows,
    "jsonl": _jsonl_rows,
    "csv": _csv_rows,
    "lines": _dump_books,
}
