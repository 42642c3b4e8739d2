"""Books in tar and zip archives, read member by member and never unpacked onto the disk."""

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from gpt1.corpus.sources import file
from gpt1.corpus.sources.book import MAX_BYTES, Book, too_large

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
SUFFIXES = (*TAR, ".zip")
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, OSError, NotImplementedError)


def read_archive(path: Path, name: str) -> Iterator[Book]:
    """Yield the books of an archive in its own order; their names begin with `name`.

    Where the archive breaks off, the last book carries the drop reason.
    """
    members = _tar_members(path) if name.lower().endswith(TAR) else _zip_members(path)
    try:
        for member, content in members:
            if member.lower().endswith(file.SUFFIXES):
                origin = f"{name}#{member}"
                if content is None:
                    yield Book(f"{name}/{member}", origin, "", too_large())
                else:
                    yield file.read_file(f"{name}/{member}", origin, content)
    except _BROKEN as error:
        yield Book(name, name, "", f"broken archive: {error}")


def _tar_members(path: Path) -> Iterator[tuple[str, bytes | None]]:
    """Yield the name and content of each file; the content is None above `MAX_BYTES`."""
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            if member.isfile():
                opened = archive.extractfile(member)
                large = member.size > MAX_BYTES or opened is None
                yield member.name, None if large else opened.read()  # type: ignore[union-attr]


def _zip_members(path: Path) -> Iterator[tuple[str, bytes | None]]:
    """The same for a zip archive."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            with archive.open(member) as opened:  # the size in the header may be false
                content = opened.read(MAX_BYTES + 1)
            yield member.filename, None if len(content) > MAX_BYTES else content
