"""Books in a folder of any depth, or in one file."""

import os
from collections.abc import Container, Iterator
from pathlib import Path

from gpt1.corpus.sources import archive, book, file
from gpt1.corpus.sources.book import Book, origin_name, too_large
from gpt1.errors import UserError

SUFFIXES = (*file.SUFFIXES, *archive.SUFFIXES)


def read_folder(root: Path, skip: Container[str]) -> Iterator[Book]:
    """Yield each book below `root`, sorted by path; an unreadable one carries a drop reason.

    skip: names of files to leave out.
    Raises UserError when there is no file with one of `SUFFIXES`.
    """
    paths = sorted(book_paths(root)) if root.is_dir() else [root]
    if not paths:
        raise UserError(
            f"{root}: no books here ({', '.join(SUFFIXES)}); put some in, or set raw.path elsewhere"
        )
    for path in paths:
        name = origin_name(str(path.relative_to(root)) if root.is_dir() else path.name)
        if name in skip:
            continue
        try:
            yield from _read_path(path, name)
        except OSError as error:
            yield Book(name, name, "", error.strerror or str(error))


def _read_path(path: Path, name: str) -> Iterator[Book]:
    """Yield the one book of a file, or the many of an archive."""
    if path.is_dir():
        yield Book(name, name, "", archive.UNPACKED)
    elif not path.is_file():
        yield Book(name, name, "", "no file")
    elif name.lower().endswith(archive.SUFFIXES):
        yield from archive.read_archive(path, name)
    elif path.stat().st_size > book.MAX_BYTES:
        yield Book(name, name, "", too_large())
    else:
        yield file.read_file(name, name, path.read_bytes)


def book_paths(root: Path) -> Iterator[Path]:
    """Yield the files below `root` with one of `SUFFIXES`, and EPUBs unpacked to a folder.

    Links are followed. No folder is entered twice, because links can form a cycle.
    Raises UserError for a folder without read permission.
    """
    entered: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        raise UserError(f"{error.filename}: {error.strerror}; make it readable or remove it")

    for folder, folders, names in os.walk(root, followlinks=True, onerror=refuse):
        stat = os.stat(folder)
        if (stat.st_dev, stat.st_ino) in entered:
            folders.clear()
            continue
        entered.add((stat.st_dev, stat.st_ino))
        unpacked = [name for name in folders if _is_unpacked_epub(Path(folder, name))]
        yield from (Path(folder, name) for name in unpacked)
        folders[:] = sorted(set(folders) - set(unpacked))
        yield from (Path(folder, name) for name in names if name.lower().endswith(SUFFIXES))


def _is_unpacked_epub(folder: Path) -> bool:
    inside = folder / "META-INF", folder / "mimetype"
    return folder.name.lower().endswith(".epub") and any(path.exists() for path in inside)
