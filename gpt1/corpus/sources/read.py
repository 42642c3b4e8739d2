"""The books of a source, whatever its kind."""

from collections.abc import Iterator
from pathlib import Path

from gpt1.corpus.sources import folder, package
from gpt1.corpus.sources.book import Book
from gpt1.errors import UserError


def read(path: Path) -> Iterator[Book]:
    """The books at `path`, in an order that depends on the content alone.

    `path` is a folder with books, or a source file (`.yaml`) that names a package.
    Raises UserError when there is nothing of the kind.
    """
    if path.is_dir():
        return folder.read(path)
    if path.suffix == ".yaml" and path.is_file():
        return package.read(path)
    raise UserError(f"{path}: no such folder or source file; set raw.path in params.yaml")
