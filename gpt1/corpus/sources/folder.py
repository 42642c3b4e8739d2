"""A folder of books, of any depth, or one file."""

import os
from collections.abc import Container, Iterator
from pathlib import Path

from gpt1.corpus.sources import archive, epub
from gpt1.corpus.sources.book import LARGEST, Book, too_large
from gpt1.errors import UserError

SUFFIXES = (".txt", ".txt.gz", ".epub", *archive.SUFFIXES)


def read(root: Path, done: Container[str]) -> Iterator[Book]:
    """Each book below `root`, by name; one that cannot be read is given with the reason.

    Files that are `done` are left out. Raises UserError where there is none at all.
    """
    paths = sorted(walk(root)) if root.is_dir() else [root]
    if not paths:
        raise UserError(
            f"{root}: no books here ({', '.join(SUFFIXES)}); put some in, or set raw.path elsewhere"
        )
    for path in paths:
        name = str(path.relative_to(root)) if root.is_dir() else path.name
        name = name.replace("#", "%23")  # in an origin, # parts the file from the place in it
        if name in done:
            continue
        try:
            yield from _file(path, name)
        except OSError as error:
            yield Book(name, name, "", error.strerror or str(error))


def _file(path: Path, name: str) -> Iterator[Book]:
    if not path.is_file():
        yield Book(name, name, "", "no file")
    elif name.lower().endswith(archive.SUFFIXES):
        yield from archive.read(path, name)
    elif path.stat().st_size > LARGEST:
        yield Book(name, name, "", too_large())
    else:
        yield unpacked(name, name, path.read_bytes())


def unpacked(name: str, origin: str, content: bytes) -> Book:
    """The book in the content of one file."""
    if name.lower().endswith(".epub"):
        return epub.read(name, origin, content)
    if name.lower().endswith(".gz"):
        return archive.read_gzip(name, origin, content)
    return Book.from_bytes(name, origin, content)


def walk(root: Path) -> Iterator[Path]:
    """Links are followed, but no folder is entered twice: links can form a ring."""
    seen: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename}: {error.strerror}; make it readable or take it away")

    for folder, folders, files in os.walk(root, followlinks=True, onerror=refuse):
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in seen:
            folders.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        folders.sort()
        yield from (Path(folder, f) for f in files if f.lower().endswith(SUFFIXES))
