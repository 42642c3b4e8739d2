"""The books of a source, whatever its kind."""

from collections.abc import Container, Iterator
from pathlib import Path

from gpt1.corpus.sources import address, folder, package
from gpt1.corpus.sources.book import Book
from gpt1.errors import UserError
from gpt1.files import read_yaml


def read(path: Path, done: Container[str] = ()) -> Iterator[Book]:
    """The books at `path`, in an order that depends on the content alone, file by file.

    The files named in `done`, as the origins of their books do, are left out.
    `path` is a folder with books, one book or archive, or a source file (`.yaml`) that names a
    package or an address. Raises UserError when there is nothing of the kind.
    """
    if path.suffix == ".yaml" and path.is_file():
        return _source(path, done)
    if path.is_dir() or (path.is_file() and path.name.lower().endswith(folder.SUFFIXES)):
        return folder.read(path, done)
    raise UserError(f"{path}: no folder, book or source file; set raw.path in params.yaml")


def stamp(path: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of each file at `path`, to tell whether they changed since."""
    paths = folder.walk(path) if path.is_dir() else [path]
    stats = [(str(each), each.stat()) for each in sorted(paths) if each.exists()]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _source(path: Path, done: Container[str]) -> Iterator[Book]:
    values = read_yaml(path)
    if "package" in values:
        return package.read(path, values, done)
    if "address" in values:
        return address.read(path, values, done)
    raise UserError(f"{path}: neither package nor address; docs/corpora.md shows both")
