"""The text of one XHTML or HTML page, a line for each paragraph."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gpt1.corpus.sources.unreadable import UnreadableError

_BLOCK = re.compile(
    r"address|article|aside|blockquote|body|br|caption|center|d[dlt]|details|dialog|dir|div"
    r"|fieldset|fig(caption|ure)|footer|form|h[1-6r]|header|hgroup|html|legend|li|listing|main|menu"
    r"|ol|optgroup|option|p|plaintext|pre|search|section|summary|table|t(body|ext|foot|head|r)|ul|xmp"
)
"""Elements that begin and end a line: `display: block` in the style sheet of the HTML standard, and
`text` of SVG."""
_CELL = ("td", "th")
_SKIPPED = re.compile(
    r"annotation(-xml)?|audio|canvas|desc|head|iframe|metadata|nav|r[pt]|rtc|script|style|template"
    r"|title|video"
)
_SKIPPED_TYPES = re.compile(
    r"(?<![\w-])((doc-)?(colophon|copyright-page|imprint|landmarks|lo[aitv]|page-?list|toc))(?![\w-])"
)
"""Values of `epub:type` and `role` whose elements are navigation or licence."""
_SKIPPED_NAMES = re.compile(r"\bpg-?(header|footer|boilerplate)\b", re.IGNORECASE)
"""Classes and ids of what Project Gutenberg puts around a book."""
_MARKER_TYPES = re.compile(r"\b(noteref|pagebreak|backlink)\b")
_SHORT = re.compile(r".{0,20}")
_MARKER_NAMES = re.compile(
    r"page-?_?(num|no)|noteref|fnref|fnanchor|\bfn\b|note-?_?(anchor|num|mark|call)|(foot|end)note\b",
    re.IGNORECASE,
)
_PAGE_NAMES = re.compile(r"page-?_?break|\b(pg|page)([-_.]?\w?\d+)?\b", re.IGNORECASE)
"""The same for inline elements alone: a block so named, such as a heading, begins a new page."""
_NOTE_LINK = re.compile(r".{0,50}?(note|fn|ftn|edn)|(n|en|f|r|ref)[-_.]?\d", re.IGNORECASE)
"""The fragment of a URL that leads to a note, or back from it."""
_SUPERSCRIPT = re.compile(r"vertical-align:\s*super|\bsuper(script)?\b", re.IGNORECASE)
_HIDDEN, _BLOCK_STYLE = re.compile(r"display:\s*none"), re.compile(r"display:\s*block")
_MARKER = re.compile(
    r"\W{0,4}((pg|pages?|p|fn|(foot|end)?note)\b\W{0,3})?(\d{1,5}|[ivxlcdm]{1,8}|[a-z])?\W{0,4}",
    re.IGNORECASE,
)
"""The text of a page number or of a reference to a note: `[Pg 12]`, `xiv`, `*`, `(a)`."""
_PAGE_NUMBER = re.compile(r"\W{0,4}((?i:pg|pages?|p)\b\W{0,3})?(\d{1,5}|[ivxlcdm]{1,8})?\W{0,4}")
"""The same without letters, of which a first one may be marked as the start of a page."""
_BRACKETED = re.compile(r"[\[({]\s*(\d{1,4}|[a-z]|[*†‡§¶])\s*[\])}]|[*†‡§¶↩]{1,4}", re.IGNORECASE)
_RAISED = re.compile(r"[\[({]?[\d,\s]{1,8}[\])}]?|[*†‡§¶]{1,4}")
_XML_ALONE = re.compile(r"<!DOCTYPE[^>\[]*\[.{0,5000}?\]\s*>|<!\[CDATA\[|\]\]>", re.DOTALL)
"""What an HTML parser does not know of XML. It does know that `<title/>` and `<a/>` are empty."""


@dataclass(frozen=True)
class Page:
    """text: a line for each paragraph, heading, list item or row of a table.

    linked: the share of its letters that are inside short links, if there are some.
    skipped: whether navigation or a licence was left out.
    """

    text: str
    linked: float
    skipped: bool


def read_page(markup: str) -> Page:
    """Read a page without its navigation, licence, scripts, glosses, note and page numbers.

    XHTML is read as HTML, because many pages are not well-formed. Elements may have any depth.
    Raises UnreadableError for what is no HTML.
    """
    from lxml import etree

    events = _TextEvents()
    parser = etree.HTMLParser(target=events, encoding="utf-8", huge_tree=True)  # no limits
    try:
        parser.feed(_XML_ALONE.sub("", markup).encode())
        return parser.close()
    except etree.LxmlError as error:  # no others: an error in `events` is no fault of the page
        raise UnreadableError(f"broken page: {error}") from error


@dataclass
class _Element:
    """An open element.

    block: whether it ends a line.
    link: whether it is a link.
    marker: if its text matches this, it is a page number or refers to a note, and is left out.
    start: the index of its first part of text.
    """

    tag: str
    block: bool
    link: bool
    marker: re.Pattern[str] | None
    start: int


class _TextEvents:
    """Collects the text from the events of a parser, in constant time for each."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.open: list[_Element] = []
        self.skipping = 0
        """Depth inside a skipped element."""
        self.skipped = False
        self.inside_links = self.links = self.linked = self.letters = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        tag, block, skipped = _element_kind(name)
        named = bool(attributes) and _is_navigation(attributes)
        if self.skipping or skipped or named:
            self.skipping += 1
            self.skipped |= named
            return
        block = block or bool(_BLOCK_STYLE.search(attributes.get("style", "")))
        if block or tag in _CELL:
            self.parts.append("\n" if block else " ")
        marker = _marker(tag, attributes)
        parent = self.open[-1] if self.open else None
        if parent and {tag, parent.tag} == {"a", "sup"}:  # a raised link refers to a note
            marker = parent.marker = _MARKER
        link = tag == "a" and "href" in attributes
        self.links += link
        self.inside_links += link
        self.open.append(_Element(tag, block, link, marker, len(self.parts)))

    def end(self, _: str) -> None:
        if self.skipping:
            self.skipping -= 1
            return
        element = self.open.pop()
        self.inside_links -= element.link
        if element.marker and self._is_marker(element, element.marker):
            del self.parts[element.start :]
        if element.block:
            self.parts.append("\n")

    def data(self, text: str) -> None:
        if not self.skipping:
            self.parts.append(text.replace("\n", " "))
            letters = len(text.strip())
            self.letters += letters
            self.linked += letters if self.inside_links else 0

    def close(self) -> Page:
        lines = (" ".join(line.split()) for line in "".join(self.parts).split("\n"))
        is_list = self.links > 1 and 0 < self.linked < 80 * self.links
        linked = self.linked / self.letters if is_list else 0.0
        return Page("\n".join(filter(None, lines)), linked, self.skipped)

    def _is_marker(self, element: _Element, pattern: re.Pattern[str]) -> bool:
        if len(self.parts) - element.start > 20:
            return False
        if not pattern.fullmatch("".join(self.parts[element.start :]).strip()):
            return False
        before = self.parts[element.start - 1][-2:] if element.start else ""
        # An exponent follows a digit or a single letter; a note, a word.
        return pattern is not _RAISED or not re.search(r"\d$|(^|\W)[^\W\d]$", before)


@lru_cache(1000)
def _element_kind(name: str) -> tuple[str, bool, bool]:
    """The tag without its prefix, whether it is a block, and whether it is skipped."""
    tag = name.rpartition(":")[2].lower()
    return tag, bool(_BLOCK.fullmatch(tag)), bool(_SKIPPED.fullmatch(tag))


def _is_navigation(attributes: Mapping[str, str]) -> bool:
    return bool(
        _SKIPPED_TYPES.search(_types(attributes))
        or _SKIPPED_NAMES.search(_names(attributes))
        or "hidden" in attributes
        or _HIDDEN.search(attributes.get("style", ""))
    )


def _marker(tag: str, attributes: Mapping[str, Any]) -> re.Pattern[str] | None:
    """What the text of an element matches that is a page number or refers to a note."""
    if not attributes:
        return _RAISED if tag == "sup" else None
    names = _names(attributes)
    if _MARKER_TYPES.search(_types(attributes)):
        return _SHORT
    if _MARKER_NAMES.search(names):
        return _MARKER
    if tag in ("a", "span") and _PAGE_NAMES.search(names):
        return _PAGE_NUMBER
    if tag == "a" and "href" in attributes:
        fragment = attributes["href"].partition("#")[2]
        return _MARKER if _NOTE_LINK.match(fragment) else _BRACKETED
    is_raised = _SUPERSCRIPT.search(f"{attributes.get('style', '')} {names}")
    return _RAISED if tag == "sup" or is_raised else None


def _types(attributes: Mapping[str, str]) -> str:
    return f"{attributes.get('epub:type', '')} {attributes.get('role', '')}"


def _names(attributes: Mapping[str, str]) -> str:
    return f"{attributes.get('class', '')} {attributes.get('id', '')}"
