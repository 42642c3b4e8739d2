"""Members of a zip file, each read by itself; EPUBs are zip files too."""

import io
import mmap
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from gpt1.corpus.sources import book
from gpt1.corpus.sources.unreadable import UnreadableError, reading

_ENCRYPTED, _UTF8_NAME = 0x1, 0x800
"""Flags of a member."""


@contextmanager
def open_zip(file: BinaryIO, what: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip file for `members` and `read_member`.

    what: the word for the file in messages. Raises UnreadableError if it is broken as a whole.
    """
    with reading(what):
        try:
            archive = zipfile.ZipFile(file)
        except (UnicodeDecodeError, NotImplementedError):
            archive = zipfile.ZipFile(_with_plain_headers(file))  # type: ignore[call-overload]
    with archive:
        yield archive


def members(archive: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """Yield the name and the entry of each file."""
    for member in archive.infolist():
        name = _name(member)
        if not name.endswith("/"):  # a folder; `is_dir` fails on an empty name
            yield name, member


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Unpack one member. Raises UnreadableError, also for one above `MAX_BYTES`."""
    if member.flag_bits & _ENCRYPTED:
        raise UnreadableError("encrypted: it has a password")
    with reading("zip member"), archive.open(member) as opened:
        content = opened.read(book.MAX_BYTES + 1)
    return book.check_size(content)


def _name(member: zipfile.ZipInfo) -> str:
    """The name, of which zipfile reads the bytes as code page 437 where no flag says UTF-8."""
    if not member.flag_bits & _UTF8_NAME:
        try:
            return member.filename.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return member.filename


class _Memory(mmap.mmap):
    """Memory as a file: what is written to it never reaches the disk."""

    def seekable(self) -> bool:
        return True


def _with_plain_headers(file: BinaryIO) -> _Memory:
    """Copy a zip file, and clear in its headers for what zipfile refuses all of its members.

    That is a flag for UTF-8 on a name that is no UTF-8, and a version above zipfile's own.
    """
    if isinstance(file, io.BytesIO):
        memory = _Memory(-1, len(file.getbuffer()))
        memory[:] = file.getbuffer()
    else:
        memory = _Memory(file.fileno(), 0, access=mmap.ACCESS_COPY)
    end = memory.rfind(b"PK\5\6")
    size, offset = struct.unpack_from("<II", memory, end + 12)
    entry = end - size
    shift = entry - offset  # what stands before the zip file, such as a program that unpacks it
    while 0 <= entry < end and memory[entry : entry + 4] == b"PK\1\2":
        struct.pack_into("<H", memory, entry + 6, 20)
        _clear_flag(memory, entry + 8)
        (local,) = struct.unpack_from("<I", memory, entry + 42)
        if memory[local + shift : local + shift + 4] == b"PK\3\4":
            _clear_flag(memory, local + shift + 6)
        entry += 46 + sum(struct.unpack_from("<HHH", memory, entry + 28))
    return memory


def _clear_flag(memory: _Memory, at: int) -> None:
    (flags,) = struct.unpack_from("<H", memory, at)
    struct.pack_into("<H", memory, at, flags & ~_UTF8_NAME)
