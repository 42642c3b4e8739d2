"""Books in tables and dumps at any address that fsspec opens: a path, https, s3, hf (the hub).

A source file describes them:

    address: hf://datasets/OWNER/NAME@REVISION/data/*.parquet   # one file, or a pattern
    format: parquet          # or jsonl, csv, lines
    text: text               # the column with the text; not for `lines`
    book: title              # neighbouring rows with equal values are one book; without: each row
    lines: 6700              # only for `lines`: how many make one document

Rows are streamed; nothing is stored on the disk.
"""

import math
import posixpath
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, BinaryIO

from gpt1.corpus.sources.book import Book, origin_name
from gpt1.corpus.sources.encoding import Decoded
from gpt1.corpus.sources.rows import Row, csv_rows, jsonl_rows, parquet_rows, text_lines
from gpt1.errors import UserError, refuse_unknown
from gpt1.hub import check_pinned

KEYS = {"address", "format", "text", "book", "lines"}
_TABLES: dict[str, Callable[[BinaryIO, Sequence[str]], Iterator[Row]]] = {
    "parquet": parquet_rows,
    "jsonl": jsonl_rows,
    "csv": csv_rows,
}
_FORMATS = (*_TABLES, "lines")


@dataclass(frozen=True)
class _Source:
    """The checked content of the source file `path`."""

    path: Path
    address: str
    format: str
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
    for opener, name in _files(source):
        if name in skip:
            continue
        if source.format == "lines":
            yield from _dump_books(opener, name, source)
        else:
            yield from _table_books(opener, name, source)


def _checked(path: Path, values: dict[str, Any]) -> _Source:
    refuse_unknown(values, sorted(KEYS), f"{path}: {{}} is no key here")
    kind = values.get("format")
    if kind not in _FORMATS:
        raise UserError(f"{path}: format = {kind!r}; one of {', '.join(_FORMATS)} is needed")
    if kind != "lines" and not values.get("text"):
        raise UserError(f"{path}: text is missing: the column that holds the text")
    for key, what in [
        ("address", "one path, address or pattern"),
        ("text", "the name of one column"),
        ("book", "the name of one column"),
    ]:
        if key == "address" or values.get(key) is not None:
            check_text(path, values, key, what)
    lines = values.get("lines", 6700)  # 74 million sentences in 11,038 books: Zhu et al. 2015
    if type(lines) is not int or lines < 1:
        raise UserError(f"{path}: lines = {lines!r}; a number above 0 is needed")
    check_pinned(values["address"], f"{path}: {values['address']}")
    text, book = values.get("text") or "", values.get("book") or ""
    return _Source(path, values["address"], str(kind), text, book, lines)


def check_text(path: Path, values: dict[str, Any], key: str, what: str) -> str:
    """Return `values[key]`; raise UserError if it is no text, or empty. what: what it should be."""
    value = values.get(key)
    if not isinstance(value, str) or not value:
        raise UserError(f"{path}: {key} = {value!r}; {what} is needed")
    return value


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


def _table_books(opener: Any, name: str, source: _Source) -> Iterator[Book]:
    """Neighbouring rows of one title are one book; a row without a title is one by itself."""
    rows = enumerate(_titled_rows(opener, name, source))
    for (title, _), group in groupby(rows, key=lambda row: (row[1][0], row[1][0] or row[0])):
        numbers, titled = zip(*group, strict=True)
        text = "\n".join(text for _, text in titled)
        if title:
            yield _book(title, f"{name}#{title}", text)
        else:
            yield _book(f"{name}-{numbers[0]:07d}", f"{name}#{numbers[0]}", text)


def _titled_rows(opener: Any, name: str, source: _Source) -> Iterator[tuple[str, str]]:
    """Yield the title (or "") and the text of each row."""
    columns = [source.text, *filter(None, [source.book])]
    with _as_user_error(source, name), opener as opened:
        for where, values in _TABLES[source.format](opened, columns):
            text = _text(values[source.text], f"{where}, column {source.text}")
            title = values[source.book] if source.book else ""
            yield _title(title, f"{where}, column {source.book}"), text


def _title(value: Any, where: str) -> str:
    """Titles may be numbers; pandas writes NaN where there is none."""
    if isinstance(value, int | float):
        return "" if math.isnan(value) else str(value)
    return _text(value, where)


def _text(value: Any, where: str) -> str:
    """A value of a row; Parquet has text also as bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{where}: a text is needed, not {type(value).__name__}")
    return value or ""


def _dump_books(opener: Any, name: str, source: _Source) -> Iterator[Book]:
    """Cut a dump without book boundaries into books of `source.lines` lines."""
    with _as_user_error(source, name), opener as opened:
        lines = text_lines(opened)
        number = 0
        while stretch := list(islice(lines, source.lines)):
            yield _book(f"{name}-{number:06d}", f"{name}#{number}", "".join(stretch))
            number += 1


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
        raise source.error(source.address, "not found") from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise source.error(file, reason) from None
