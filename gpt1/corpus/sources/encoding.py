"""The encoding of a text: its byte order mark, what it declares, or a guess."""

import codecs
import re
from dataclasses import dataclass, replace

from gpt1.corpus.sources.unreadable import UnreadableError

_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16: its mark begins with that of UTF-16
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_DECLARED = (
    re.compile(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)"),
    re.compile(rb"<meta[^>]*?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE),
)
_MEANT = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "shift_jis": "cp932"}
"""Codecs with characters that the declared one lacks but texts have; browsers do the same."""
_ASCII_BYTES = ("hz", "iso2022")
"""Encodings whose bytes would pass for ASCII."""
_NO_CHARSETS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7")
"""Codecs of Python that no page is in; the last one may decode to lone surrogates."""
_CONTROLS = bytes([*range(7), *range(14, 26)])
"""Characters of binary files; not U+001A, with which texts of DOS end."""
_TWO_CONTROLS = re.compile(b"[" + _CONTROLS + b"]{2}")


@dataclass(frozen=True)
class Decoded:
    """A text, and the encodings that were tried, in their order.

    guessed: whether the last of them is Windows-1252 for want of anything better. No bytes tell it
    from Mac Roman, CP437 or CP1251; charset-normalizer takes English in it for CP1250.
    """

    text: str
    tried: tuple[str, ...]
    guessed: bool = False


def decode(content: bytes, declared: str = "") -> Decoded:
    """Decode by byte order mark, else as UTF-8, as `declared`, UTF-16 or Windows-1252.

    declared: a codec of Python, or "" where the content declares none.
    Bytes that are wrong in the encoding become U+FFFD. Raises UnreadableError for binary content.
    """
    decoded = _decode(content, declared)
    sample = decoded.text[:1_000_000].encode("utf-8", "replace")
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if controls and (controls > 1 + 0.001 * len(sample) or _TWO_CONTROLS.search(sample)):
        raise UnreadableError("binary")
    return decoded


def declared_encoding(page: bytes) -> str:
    """The codec that an XML or HTML page names in its declaration or `meta`; "" if none."""
    for first, encoding in ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be")):
        if page.startswith(first):  # such a declaration can only be read in its own encoding
            return encoding
    for pattern in _DECLARED:
        if found := pattern.search(page[:2000]):
            try:
                codec = codecs.lookup(found[1].decode("ascii", "replace"))
                b"a".decode(codec.name)
            except (LookupError, UnicodeError):  # unknown, or no encoding of text, such as zip
                continue
            if not codec.name.startswith(("utf-8", "utf-16", "utf-32", *_NO_CHARSETS)):
                return _MEANT.get(codec.name, codec.name)
    return ""


def _decode(content: bytes, declared: str) -> Decoded:
    for mark, encoding in _BOMS.items():
        if content.startswith(mark):
            return _replaced(content[len(mark) :], encoding)
    content = content.removeprefix(codecs.BOM_UTF8)
    if wide := _wide_encoding(content[:1_000_000], declared):
        return _replaced(content, wide)
    try:
        return Decoded(content.decode("utf-8"), ("utf-8",))
    except UnicodeDecodeError as error:
        # A few broken bytes in a text that is otherwise UTF-8 do not make it Windows-1252.
        replaced = _replaced(content, "utf-8")
        multibyte = sum(ord(character) > 127 for character in replaced.text)
        if error.start and 2 * replaced.text.count("\ufffd") < multibyte:
            return replaced
        found = _replaced(content, declared or "cp1252", "utf-8")
        return replace(found, guessed=not declared)


def _wide_encoding(sample: bytes, declared: str) -> str:
    """UTF-16, by the zeros in its high bytes, or a declared encoding that would pass for ASCII."""
    if declared.startswith(_ASCII_BYTES):
        return declared
    for encoding, high in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if len(sample) > 8 and high.count(0) > 0.4 * len(high) > 10 * sample.count(b"\0\0"):
            return encoding
    return ""


def _replaced(content: bytes, encoding: str, *before: str) -> Decoded:
    return Decoded(content.decode(encoding, "replace"), (*before, encoding))
