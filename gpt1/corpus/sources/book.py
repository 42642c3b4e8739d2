"""One book as it was found, and what its bytes mean."""

import codecs
import re
from dataclasses import dataclass

LARGEST = 100_000_000
"""Bytes of a book, unpacked: War and Peace has 3 million."""
_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


@dataclass(frozen=True)
class Book:
    """`name` is what it is called there, `origin` tells where exactly; `reason`: why it is dropped.

    A book with a reason has no text.
    """

    name: str
    origin: str
    text: str
    reason: str = ""

    @classmethod
    def from_bytes(cls, name: str, origin: str, content: bytes) -> "Book":
        """Decoded; dropped where it is no text or too large to be a book."""
        if len(content) > LARGEST:
            return cls(name, origin, "", too_large())
        text = decode(content)
        return cls(name, origin, text) if text is not None else cls(name, origin, "", "binary")


def too_large() -> str:
    return f"over {LARGEST // 1_000_000} MB; a dump of many books needs a source file"


def decode(content: bytes) -> str | None:
    """Text by its byte order mark, as UTF-8, as UTF-16, as Windows-1252; None: it is binary."""
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
        # A few broken bytes in a text that is UTF-8 elsewhere do not make it Windows-1252.
        text = content.decode("utf-8", "replace")
        multibyte = sum(ord(character) > 127 for character in text)
        if error.start and 2 * text.count("\ufffd") < multibyte:
            return text
        return content.decode("cp1252", "replace")
