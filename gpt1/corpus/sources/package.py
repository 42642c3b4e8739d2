"""Books that come with a Python package: JSON lines with `book` and `text`."""

from collections.abc import Container, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from gpt1.corpus.sources import address
from gpt1.corpus.sources.book import Book
from gpt1.errors import UserError


def read(source: Path, values: dict[str, Any], done: Container[str]) -> Iterator[Book]:
    """The books in the file of the package that a source file names, a line for each row."""
    found = _locate(str(values["package"]), str(values.get("file")), source)
    rows = {"address": str(found), "format": "jsonl", "text": "text", "book": "book"}
    return address.read(source, rows, done)


def _locate(package: str, file: str, source: Path) -> Path:
    """Through the list of installed files, for importing the package may need more than it says."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        raise UserError(f"{source}: the package {package} is not installed") from None
    for found in files:
        if str(found) == file:
            return Path(str(found.locate()))
    raise UserError(f"{source}: the package {package} has no file {file}")
