"""One book as its source delivers it."""

import re
from dataclasses import dataclass

from gpt1.corpus.sources.encoding import Decoded
from gpt1.corpus.sources.unreadable import UnreadableError

MAX_BYTES = 100_000_000
"""Limit on the unpacked size of one book. War and Peace has 3 million bytes."""
MAX_REPLACED = 0.01
"""Limit on the share of U+FFFD, of which each stands for bytes that could not be decoded."""
GUESSED = "not UTF-8: taken for Windows-1252; if its letters are wrong, save it as UTF-8"
_BROKEN_WORD = re.compile("\u00ad[ \\t]*(\\r\\n?|\\n)[ \\t]*(?=\\w)")
_INVISIBLE = "\u00ad\u200b\u2060\ufeff"
"""Soft hyphens and other marks of width zero, which say where a word may be broken."""


@dataclass(frozen=True)
class Book:
    """A raw book, or the reason why it could not be read.

    name: its title, or its path inside the source.
    origin: the file it was read from; after `#`, the member or row inside that file.
    reason: why the book is dropped; such a book has no text. Empty: it is kept.
    note: what a kept book lacks, such as pages that could not be read.
    left_out: its pages that are no part of the text, such as a table of contents.
    """

    name: str
    origin: str
    text: str
    reason: str = ""
    note: str = ""
    left_out: str = ""

    @classmethod
    def from_text(
        cls, name: str, origin: str, decoded: Decoded, note: str = "", left_out: str = ""
    ) -> "Book":
        """Check and repair what was read; a text that is empty, too large or spoilt is dropped."""
        name, origin = valid(name), valid(origin)
        text = valid(decoded.text)
        if "\u00ad" in text:
            text = _BROKEN_WORD.sub("", text)
        for character in _INVISIBLE:  # ten times as fast as str.translate
            text = text.replace(character, "")
        replaced = text.count("\ufffd")
        tried = f"tried {', '.join(decoded.tried)}"
        reason = ""
        if len(text) > MAX_BYTES or len(text.encode()) > MAX_BYTES:
            reason = too_large()
        elif replaced > MAX_REPLACED * len(text):
            share = f"{100 * replaced / len(text):.1f} % of the text"
            reason = f"replacement characters: {share}; {tried}"
        elif not text.strip():
            reason = "no text"
        elif replaced:
            note = "; ".join(filter(None, [note, f"replacement characters: {replaced} ({tried})"]))
        if reason:
            return cls(name, origin, "", reason)
        if decoded.guessed:
            note = "; ".join(filter(None, [note, GUESSED]))
        return cls(name, origin, text, "", note, valid(left_out))


def check_size(content: bytes) -> bytes:
    """Return `content`; raise UnreadableError if it is larger than `MAX_BYTES`."""
    if len(content) > MAX_BYTES:
        raise UnreadableError(too_large())
    return content


def too_large() -> str:
    """The drop reason of a book above `MAX_BYTES`."""
    return f"over {MAX_BYTES // 1_000_000} MB; a dump of many books needs a source file"


def origin_name(path: str) -> str:
    """`path` as origins have it: `#` and bytes that are not UTF-8 become `%XX`.

    In an origin, `#` separates the file from the place in it.
    """
    return re.sub("[#\udc80-\udcff]", lambda found: f"%{ord(found[0]) & 0xFF:02X}", path)


def valid(text: str) -> str:
    """`text` with surrogates, which no encoding can write, joined in pairs or replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
