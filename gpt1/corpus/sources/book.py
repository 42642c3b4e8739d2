"""One book as its source delivers it, and the decoding of its bytes."""

import codecs
import re
from dataclasses import dataclass

MAX_BYTES = 100_000_000
"""Limit on the unpacked size of one book. War and Peace has 3 million bytes."""
_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16: its mark begins with that of UTF-16
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


@dataclass(frozen=True)
class Book:
    """A raw book, or the reason why it could not be read.

    name: its title, or its path inside the source.
    origin: the file it was read from; after `#`, the member or row inside that file.
    reason: why the book is dropped; such a book has no text. Empty: it is kept.
    """

    name: str
    origin: str
    text: str
    reason: str = ""

    @classmethod
    def from_bytes(cls, name: str, origin: str, content: bytes) -> "Book":
        """Decode `content`; drop the book if it is binary or larger than `MAX_BYTES`."""
        if len(content) > MAX_BYTES:
            return cls(name, origin, "", too_large())
        text = decode(content)
        return cls(name, origin, text) if text is not None else cls(name, origin, "", "binary")


def too_large() -> str:
    """The drop reason of a book above `MAX_BYTES`."""
    return f"over {MAX_BYTES // 1_000_000} MB; a dump of many books needs a source file"


def decode(content: bytes) -> str | None:
    """Decode by byte order mark, else as UTF-8, UTF-16 or Windows-1252; None: it is binary."""
    for mark, encoding in _BOMS.items():
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    content = content.removeprefix(codecs.BOM_UTF8)
    sample = content[:1_000_000]
    for encoding, high in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if len(sample) > 8 and high.count(0) > 0.4 * len(high) > 10 * sample.count(b"\0\0"):
            return content.decode(encoding, "replace")
    if re.search(rb"[\x00-\x06\x0e-\x1a]{2}", sample) or sample.count(0) > 0.001 * len(sample):
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        # A few broken bytes in a text that is otherwise UTF-8 do not make it Windows-1252.
        text = content.decode("utf-8", "replace")
        multibyte = sum(ord(character) > 127 for character in text)
        if error.start and 2 * text.count("\ufffd") < multibyte:
            return text
        return content.decode("cp1252", "replace")
