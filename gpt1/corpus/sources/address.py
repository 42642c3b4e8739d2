"""Tables and dumps at any address that fsspec knows: a path, https, s3, hf (the Hugging Face hub).

A source file says what is there:

    address: hf://datasets/OWNER/NAME@REVISION/data/*.parquet   # one, or a pattern
    format: parquet          # or jsonl, csv, lines
    text: text               # the column; not with lines
    book: title              # a column whose equal, neighbouring rows make one book; or left out
    lines: 6700              # only with lines: how many make one document

Nothing is kept on the disk: rows are read as they come.
"""

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

from gpt1.corpus.sources.book import Book
from gpt1.errors import UserError, refuse_unknown
from gpt1.files import rows
from gpt1.hub import check_pinned

KEYS = {"address", "format", "text", "book", "lines"}


@dataclass(frozen=True)
class _Place:
    source: Path
    address: str
    text: str
    book: str
    lines: int

    def error(self, file: str, what: str) -> UserError:
        return UserError(f"{self.source}: {file}: {what}")


def read(source: Path, values: dict[str, Any], done: Container[str]) -> Iterator[Book]:
    """The books at the address that a source file names, but for files that are `done`.

    Raises UserError where the source file is wrong, or nothing is there.
    """
    place = _checked(source, values)
    parse = _FORMATS[values["format"]]
    for path, name in _files(place):
        if name in done:
            continue
        if values["format"] == "lines":
            yield from _dump(path, name, place)
            continue
        numbered = enumerate(parse(path, name, place))
        if not place.book:
            for number, (_, text) in numbered:
                yield Book(f"{name}-{number:07d}", f"{name}#{number}", text)
            continue
        for title, group in groupby(numbered, key=lambda row: row[1][0]):
            texts = [text for _, (_, text) in group]
            yield Book(title, f"{name}#{title}", "\n".join(texts))


def _checked(source: Path, values: dict[str, Any]) -> _Place:
    refuse_unknown(values, sorted(KEYS), f"{source}: {{}} is no key here")
    address, kind = str(values.get("address", "")), values.get("format")
    if kind not in _FORMATS:
        raise UserError(f"{source}: format = {kind!r}; one of {', '.join(_FORMATS)} is needed")
    if kind != "lines" and not values.get("text"):
        raise UserError(f"{source}: text is missing: the column that holds the text")
    check_pinned(address, f"{source}: {address}")
    return _Place(
        source,
        address,
        values.get("text", ""),
        values.get("book", ""),
        int(values.get("lines", 6700)),  # 74 million sentences in 11,038 books: Zhu et al. 2015
    )


def _files(place: _Place) -> Iterator[tuple[Any, str]]:
    """Each file at the address: how to open it, and its name below the folder of them all."""
    import fsspec

    with _one_line(place, place.address):
        files = fsspec.open_files(place.address, "rb", compression="infer")
    if not files:
        raise place.error(place.address, "nothing there")
    folder = posixpath.commonpath([posixpath.dirname(file.path) for file in files])
    for file in files:
        yield file, file.path[len(folder) :].lstrip("/").replace("#", "%23")


def _parquet(path: Any, name: str, place: _Place) -> Iterator[tuple[str, str]]:
    import pyarrow.parquet as pq

    columns = [column for column in (place.book, place.text) if column]
    with _one_line(place, name), path as opened:
        file = pq.ParquetFile(opened)
        _present(columns, file.schema_arrow.names, name, place)
        for row in rows(file, columns):
            yield str(row.get(place.book) or ""), str(row[place.text] or "")


def _jsonl(path: Any, name: str, place: _Place) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_lines(path, name, place), start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise place.error(name, f"line {number} is no JSON ({error})") from None
        if not isinstance(row, dict):
            raise place.error(name, f"line {number} is no object with keys")
        _present([place.text, *filter(None, [place.book])], row, name, place)
        yield str(row.get(place.book) or ""), str(row[place.text] or "")


def _csv(path: Any, name: str, place: _Place) -> Iterator[tuple[str, str]]:
    csv.field_size_limit(sys.maxsize)
    table = csv.DictReader(_lines(path, name, place))
    with _one_line(place, name):
        _present([place.text, *filter(None, [place.book])], table.fieldnames or [], name, place)
        for row in table:
            yield str(row.get(place.book) or ""), row[place.text] or ""


def _dump(path: Any, name: str, place: _Place) -> Iterator[Book]:
    """A dump with one sentence a line and no book boundaries, in stretches of `lines` lines."""
    lines = _lines(path, name, place)
    number = 0
    while stretch := list(islice(lines, place.lines)):
        yield Book(f"{name}-{number:06d}", f"{name}#{number}", "".join(stretch))
        number += 1


def _lines(path: Any, name: str, place: _Place) -> Iterator[str]:
    with _one_line(place, name), path as opened:
        for line in opened:
            yield line.decode("utf-8", "replace")


@contextmanager
def _one_line(place: _Place, file: str) -> Iterator[None]:
    """Every file system and every network has errors of its own."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise place.error(file, "nothing there") from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise place.error(file, reason) from None


def _present(columns: list[str], found: Any, name: str, place: _Place) -> None:
    for column in columns:
        if column not in found:
            raise place.error(name, f"no column {column}; there are {', '.join(sorted(found))}")


_FORMATS: dict[str, Callable[[Any, str, _Place], Iterator[Any]]] = {
    "parquet": _parquet,
    "jsonl": _jsonl,
    "csv": _csv,
    "lines": _dump,
}
