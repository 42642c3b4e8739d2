"""Books that come with an installed Python package: JSON lines with `book` and `text`."""

from collections.abc import Container, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from gpt1.corpus.sources.address import check_text, read_address
from gpt1.corpus.sources.book import Book
from gpt1.errors import UserError


def read_package(source: Path, values: dict[str, Any], skip: Container[str]) -> Iterator[Book]:
    """Yield the books in the file `values["file"]` of the package `values["package"]`.

    source: the source file that holds `values`, for messages.
    Raises UserError when the package is not installed or has no such file.
    """
    package = check_text(source, values, "package", "the name of an installed package")
    file = check_text(source, values, "file", "the path of one file of the package")
    path = _locate(package, file, source)
    rows = {"address": str(path), "format": "jsonl", "text": "text", "book": "book"}
    return read_address(source, rows, skip)


def _locate(package: str, file: str, source: Path) -> Path:
    """Find a file by the package's list of installed files.

    The package is not imported: that may need more than its metadata says.
    """
    try:
        installed = distribution(package).files or []
    except PackageNotFoundError:
        raise UserError(f"{source}: the package {package} is not installed") from None
    for path in installed:
        if str(path) == file:
            return Path(str(path.locate()))
    raise UserError(f"{source}: the package {package} has no file {file}")
