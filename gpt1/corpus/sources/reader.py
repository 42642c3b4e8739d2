"""`read_books`: the books of a source of any kind."""

from collections.abc import Container, Iterator
from pathlib import Path

from gpt1.corpus.sources.address import read_address
from gpt1.corpus.sources.book import Book
from gpt1.corpus.sources.folder import SUFFIXES, book_paths, read_folder
from gpt1.corpus.sources.package import read_package
from gpt1.errors import UserError
from gpt1.files import read_yaml


def read_books(path: Path, skip: Container[str] = ()) -> Iterator[Book]:
    """Yield the books at `path`, in an order that depends on the content alone, file by file.

    path: a folder with books, one book or archive, or a source file (`.yaml`) that names a
        package or an address.
    skip: names of files to leave out, as the books' origins give them.
    Raises UserError when `path` is none of these.
    """
    if path.suffix == ".yaml" and path.is_file():
        return _read_source(path, skip)
    if path.is_dir() or (path.is_file() and path.name.lower().endswith(SUFFIXES)):
        return read_folder(path, skip)
    raise UserError(f"{path}: no folder, book or source file; set raw.path in params.yaml")


def file_stats(path: Path) -> list[tuple[str, int, int]]:
    """Name, size and modification time (ns) of each file at `path`: equal if nothing changed."""
    paths = book_paths(path) if path.is_dir() else [path]
    stats = [(str(each), each.stat()) for each in sorted(paths) if each.exists()]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _read_source(path: Path, skip: Container[str]) -> Iterator[Book]:
    values = read_yaml(path)
    if "package" in values:
        return read_package(path, values, skip)
    if "address" in values:
        return read_address(path, values, skip)
    raise UserError(f"{path}: neither package nor address; docs/corpora.md shows both")
