"""The books of a source, whatever its kind."""

from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML, YAMLError

from gpt1.corpus.sources import address, folder, package
from gpt1.corpus.sources.book import Book
from gpt1.errors import UserError


def read(path: Path) -> Iterator[Book]:
    """The books at `path`, in an order that depends on the content alone.

    `path` is a folder with books, one book or archive, or a source file (`.yaml`) that names a
    package or an address. Raises UserError when there is nothing of the kind.
    """
    if path.suffix == ".yaml" and path.is_file():
        return _source(path)
    if path.is_dir() or (path.is_file() and path.name.lower().endswith(folder.SUFFIXES)):
        return folder.read(path)
    raise UserError(f"{path}: no folder, book or source file; set raw.path in params.yaml")


def _source(path: Path) -> Iterator[Book]:
    try:
        values = YAML(typ="safe").load(path)
    except YAMLError as error:
        raise UserError(f"{path}: no YAML ({str(error).splitlines()[0]})") from None
    if isinstance(values, dict) and "package" in values:
        return package.read(path, values)
    if isinstance(values, dict) and "address" in values:
        return address.read(path, values)
    raise UserError(f"{path}: neither package nor address; docs/corpora.md shows both")
