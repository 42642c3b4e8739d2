"""Books in tar and zip archives, read member by member and never unpacked onto the disk."""

import re
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from gpt1.corpus.sources import book, file, zip
from gpt1.corpus.sources.book import Book, origin_name
from gpt1.corpus.sources.unreadable import UnreadableError, reading

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
SUFFIXES = (*TAR, ".zip")
NESTED = "an archive inside an archive is not read; unpack it"
UNPACKED = "an EPUB unpacked to a folder is not read; zip what is in it"
"""Drop reasons. Apple Books keeps EPUBs as folders."""
_UNPACKED = re.compile(r"(.+?\.epub)/(mimetype$|META-INF/)", re.IGNORECASE)
Members = Iterator[tuple[str, Callable[[], bytes]]]
"""The name of each member, and a function that reads it, to be called before the next one."""


def read_archive(path: Path, name: str) -> Iterator[Book]:
    """Yield the books of an archive in its own order; their names begin with `name`.

    Where the archive itself is broken, the last book carries the drop reason.
    """
    found = False
    unpacked: set[str] = set()
    try:
        with path.open("rb") as opened:
            is_tar = name.lower().endswith(TAR)
            for member, read in _tar_members(opened) if is_tar else _zip_members(opened):
                inside, lower = origin_name(member), member.lower()
                if lower.endswith(file.SUFFIXES):
                    found = True
                    yield file.read_file(f"{name}/{inside}", f"{name}#{inside}", read)
                elif lower.endswith(SUFFIXES):
                    found = True
                    yield Book(f"{name}/{inside}", f"{name}#{inside}", "", NESTED)
                elif (folder := _UNPACKED.match(inside)) and folder[1] not in unpacked:
                    found = True
                    unpacked.add(folder[1])
                    yield Book(f"{name}/{folder[1]}", f"{name}#{folder[1]}", "", UNPACKED)
    except UnreadableError as error:
        yield Book(name, name, "", str(error))
    else:
        if not found:
            yield Book(name, name, "", f"no books inside: none of {', '.join(file.SUFFIXES)}")


class _TarInfo(tarfile.TarInfo):
    """A header of a tar archive that tells the archive when it is invalid."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_TarInfo":
        try:
            return super().fromtarfile(archive)
        except tarfile.InvalidHeaderError:  # type: ignore[attr-defined]
            archive.has_invalid_header = True  # type: ignore[attr-defined]
            raise


def _tar_members(opened: BinaryIO) -> Members:
    """Yield the members of a tar archive.

    `ignore_zeros` makes tarfile go on after a broken header; without, it ends there in silence.
    """
    with reading("archive"):
        archive = tarfile.open(  # noqa: SIM115
            fileobj=opened, mode="r|*", tarinfo=_TarInfo, encoding="utf-8", ignore_zeros=True
        )
    while member := _next(archive):
        if member.isfile():
            yield member.name, partial(_read_tar_member, archive, member)
    if getattr(archive, "has_invalid_header", False):
        raise UnreadableError("broken archive: the header of a member is damaged")


def _next(archive: tarfile.TarFile) -> tarfile.TarInfo | None:
    with reading("archive"):
        return archive.next()


def _read_tar_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > book.MAX_BYTES:
        raise UnreadableError(book.too_large())
    with reading("tar member"):
        opened = archive.extractfile(member)
        return opened.read() if opened else b""


def _zip_members(opened: BinaryIO) -> Members:
    with zip.open_zip(opened, "archive") as archive:
        for name, member in zip.members(archive):
            yield name, partial(zip.read_member, archive, member)
