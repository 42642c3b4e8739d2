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
_BACK_LINK = re.compile(r".{0,50}?(ref|anchor|src|back)|r[-_.]?\d", re.IGNORECASE)
"""The fragment of a URL that leads from a note back to the text, or to a note."""
_SUPERSCRIPT = re.compile(r"vertical-align:\s*super|\bsuper(script)?\b", re.IGNORECASE)
_HIDDEN, _BLOCK_STYLE = re.compile(r"display:\s*none"), re.compile(r"display:\s*block")
_ROMAN = r"c{0,3}(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})"
"""A numeral, and none of the words `did`, `ill`, `civil` and `mix`."""
_MARKER = re.compile(
    rf"\W{{0,4}}((pg|pages?|p|fn|(foot|end)?note)\b\W{{0,3}})?(\d{{1,5}}|{_ROMAN}|[a-z])?\W{{0,4}}",
    re.IGNORECASE,
)
"""The text of a page number or of a reference to a note: `[Pg 12]`, `xiv`, `*`, `(a)`."""
_PAGE_NUMBER = re.compile(rf"\W{{0,4}}((?i:pg|pages?|p)\b\W{{0,3}})?(\d{{1,5}}|{_ROMAN})?\W{{0,4}}")
"""The same without letters, of which a first one may be marked as the start of a page."""
_BRACKETED = re.compile(r"[\[({]\s*(\d{1,4}|[a-z]|[*†‡§¶])\s*[\])}]|[*†‡§¶↩]{1,4}", re.IGNORECASE)
_ATTACHED = re.compile(rf"{_BRACKETED.pattern}|\d{{1,4}}|[a-z]", re.IGNORECASE)
"""The text of a link to a note that is not raised. A number or a letter without brackets may be a
word of the text, unless it follows one without a space."""
_LABEL = re.compile(rf"(?:{_ATTACHED.pattern})", re.IGNORECASE)
"""The same for a link that may lead back from a note, if a number begins its line."""
_RAISED = re.compile(r"[\[({]?[\d,\s]{1,8}[\])}]?|[*†‡§¶]{1,4}")
"""Raised text that is no link. A number may be an exponent or a part of a fraction, unless it
follows the end of a sentence."""
_SENTENCE = re.compile(r"[.,;:!?\"”’»]")
_WORD_OR_SENTENCE = re.compile(rf"\w|{_SENTENCE.pattern}|[')]")
_LETTER = re.compile(r"[^\W\d_]")
_INITIAL = "\0"
"""Stands before the letter of a picture, which is a drop capital where a word goes on after it."""
_PICTURE = re.compile(rf"{_INITIAL}.(?![^\W\d_]|['’]\w)")
_VERBATIM = ("pre", "listing", "xmp", "plaintext")
_VERBATIM_STYLE = re.compile(r"white-space:\s*pre")
_BROKEN_WORD = re.compile("\u00ad[^\\S\r]*\r\\s*")
"""A soft hyphen at the end of a line of the markup."""
_NUMERALS = re.compile(r"[\divxlcdm\W]+", re.IGNORECASE)
ENTRY = 160
"""Most characters of an entry in a list of links."""
_XML_ALONE = re.compile(r"<!DOCTYPE[^>\[]*\[.{0,5000}?\]\s*>|<!\[CDATA\[|\]\]>", re.DOTALL)
"""What an HTML parser does not know of XML. It does know that `<title/>` and `<a/>` are empty."""


@dataclass(frozen=True)
class Line:
    """A paragraph, heading, list item or row of a table.

    linked: whether more than half of its letters are inside links.
    targets: where it leads, if it looks like an entry of a list of links: short, with one title
        and the numbers of its chapter and page, of which the title or the number at the end is a
        link.
    """

    text: str
    linked: bool
    targets: frozenset[str]


@dataclass(frozen=True)
class Page:
    """The lines of a page, and whether navigation or a licence was left out of it."""

    lines: tuple[Line, ...]
    skipped: bool

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


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
    verbatim: whether ends of lines in its text are such, as in `pre`.
    link: where it leads; "" for what is no link.
    marker: if its text matches this, it is a page number or refers to a note, and is left out.
    start: the index of its first part of text.
    """

    tag: str
    block: bool
    verbatim: bool
    link: str
    marker: re.Pattern[str] | None
    start: int


class _TextEvents:
    """Collects the text from the events of a parser, in constant time for each."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.targets: list[str] = []
        """Where the link around each part leads; "" for none."""
        self.open: list[_Element] = []
        self.skipping = 0
        """Depth inside a skipped element."""
        self.skipped = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        tag, block, skipped = _element_kind(name)
        named = bool(attributes) and _is_navigation(attributes)
        parent = self.open[-1] if self.open else None
        if self.skipping or skipped or named or self._is_second_case(tag, parent):
            self.skipping += 1
            self.skipped |= named
            return
        style = attributes.get("style", "")
        block = block or bool(style and _BLOCK_STYLE.search(style))
        if block or tag in _CELL:
            self._add("\n" if block else " ")
        if tag == "img" and _LETTER.fullmatch(attributes.get("alt", "")):
            self._add(_INITIAL + attributes["alt"])
        marker = _marker(tag, attributes)
        if parent and {tag, parent.tag} == {"a", "sup"}:  # a raised link refers to a note
            marker = parent.marker = _MARKER
        verbatim = tag in _VERBATIM or bool(style and _VERBATIM_STYLE.search(style))
        if parent:
            verbatim |= parent.verbatim
        link = attributes.get("href", "") if tag == "a" else ""
        link = link or (parent.link if parent else "")
        self.open.append(_Element(tag, block, verbatim, link, marker, len(self.parts)))

    def end(self, _: str) -> None:
        if self.skipping:
            self.skipping -= 1
            return
        element = self.open.pop()
        if element.marker and self._is_marker(element, element.marker):
            del self.parts[element.start :], self.targets[element.start :]
        if element.block:
            self._add("\n")

    def data(self, text: str) -> None:
        if not self.skipping:
            verbatim = bool(self.open) and self.open[-1].verbatim
            self._add(text if verbatim else text.replace("\n", "\r"))  # a space

    def close(self) -> Page:
        lines: list[Line] = []
        parts: list[tuple[str, str]] = []
        for text, target in zip([*self.parts, "\n"], [*self.targets, ""], strict=True):
            first, *others = text.split("\n") if "\n" in text else (text,)
            if first:
                parts.append((first, target))
            for other in others:
                if parts:
                    lines.append(_line(parts))
                parts = [(other, target)] if other else []
        return Page(tuple(line for line in lines if line.text), self.skipped)

    def _add(self, text: str) -> None:
        self.parts.append(text)
        self.targets.append(self.open[-1].link if self.open else "")

    def _is_second_case(self, tag: str, parent: _Element | None) -> bool:
        """Whether an `epub:switch` has given the text of another case already."""
        if parent is None or parent.tag != "switch" or tag not in ("case", "default"):
            return False
        return bool("".join(self.parts[parent.start :]).strip())

    def _is_marker(self, element: _Element, pattern: re.Pattern[str]) -> bool:
        if len(self.parts) - element.start > 20:
            return False
        if not pattern.fullmatch("".join(self.parts[element.start :]).strip()):
            return False
        if pattern not in (_RAISED, _ATTACHED, _LABEL):
            return True
        text = "".join(self.parts[element.start :]).strip()
        before = "".join(self.parts[max(0, element.start - 5) : element.start])
        if pattern is _LABEL and before.strip(" \r")[-1:] in ("", "\n") and text.isdigit():
            return len(text) < 4
        bare = text.isalnum() or (pattern is _RAISED and any(c.isdigit() for c in text))
        after = _SENTENCE if pattern is _RAISED else _WORD_OR_SENTENCE
        return not bare or bool(after.fullmatch(before[-1:]))


def _line(parts: list[tuple[str, str]]) -> Line:
    """Join the texts of a line, each with the target of its link."""
    text = "".join(text for text, _ in parts)
    if _INITIAL in text:
        text = _PICTURE.sub("", text).replace(_INITIAL, "")
    if "\u00ad" in text:
        text = _BROKEN_WORD.sub("\u00ad", text)
    text = " ".join(text.split())
    links: dict[str, str] = {}
    for part, target in parts:
        if target and part.strip():
            links[target] = links.get(target, "") + part.strip()
    if not links:
        return Line(text, False, frozenset())
    linked = 2 * sum(map(len, links.values())) > len(text)
    titles = [link for link in links.values() if not _NUMERALS.fullmatch(link)]
    is_entry = linked or (not titles and text.endswith(tuple(links.values())))
    if len(titles) > 1 or len(text) > ENTRY or text.endswith((",", ";", ":")):
        is_entry = False
    return Line(text, linked, frozenset(links) if is_entry else frozenset())


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
        return _link_marker(attributes["href"].partition("#")[2])
    is_raised = _SUPERSCRIPT.search(f"{attributes.get('style', '')} {names}")
    return _RAISED if tag == "sup" or is_raised else None


def _link_marker(fragment: str) -> re.Pattern[str]:
    if _BACK_LINK.match(fragment):
        return _LABEL
    return _ATTACHED if _NOTE_LINK.match(fragment) else _BRACKETED


def _types(attributes: Mapping[str, str]) -> str:
    return f"{attributes.get('epub:type', '')} {attributes.get('role', '')}"


def _names(attributes: Mapping[str, str]) -> str:
    return f"{attributes.get('class', '')} {attributes.get('id', '')}"
