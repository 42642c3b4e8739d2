"""Books in archives, which are read member by member and never unpacked onto the disk."""

import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from gpt1.corpus.sources.book import LARGEST, Book, too_large

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
SUFFIXES = (*TAR, ".zip")
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, OSError, NotImplementedError)


def read(path: Path, name: str) -> Iterator[Book]:
    """The books in a tar or zip archive, in its order; their names begin with the archive's."""
    from gpt1.corpus.sources.folder import unpacked

    found = _tar(path) if name.lower().endswith(TAR) else _zip(path)
    try:
        for member, content in found:
            if member.lower().endswith((".txt", ".txt.gz", ".epub")):
                origin = f"{name}#{member}"
                if content is None:
                    yield Book(f"{name}/{member}", origin, "", too_large())
                else:
                    yield unpacked(f"{name}/{member}", origin, content)
    except _BROKEN as error:
        yield Book(name, name, "", f"broken archive: {error}")


def read_gzip(name: str, origin: str, content: bytes) -> Book:
    """The book in a gzip file; no more is unpacked than a book can have."""
    import gzip

    try:
        unpacked = gzip.GzipFile(fileobj=io.BytesIO(content)).read(LARGEST + 1)
    except _BROKEN as error:
        return Book(name, origin, "", f"broken gzip: {error}")
    return Book.from_bytes(name, origin, unpacked)


def _tar(path: Path) -> Iterator[tuple[str, bytes | None]]:
    """Each file and its content; None where it is too large."""
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            if member.isfile():
                file = archive.extractfile(member)
                large = member.size > LARGEST or file is None
                yield member.name, None if large else file.read()  # type: ignore[union-attr]


def _zip(path: Path) -> Iterator[tuple[str, bytes | None]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            with archive.open(member) as file:  # the size it states may be a lie
                content = file.read(LARGEST + 1)
            yield member.filename, None if len(content) > LARGEST else content
