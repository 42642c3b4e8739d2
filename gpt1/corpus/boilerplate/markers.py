"""What Project Gutenberg puts before and after a book, and between the volumes of collected works.

Start and end lines cut a text into segments. Where they stand says little: the small print of 2002
ends after the book with the line that ended it before the book in 1993, and collected works have an
end line after each volume. So a segment goes when it is written like a licence, and what lies
between a start and the next end always stays.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from gpt1.corpus.boilerplate.span import Span

_STARS = r"^[ \t\\]*\*[ \t*\\]*"
_MARKERS = {
    "start": re.compile(
        rf"{_STARS}START\W+OF\W+(?:TH(?:E|IS)\W+)?PROJECT\W+GUTENBERG.*"
        rf"|{_STARS}END\W+(?:OF\W+)?THE\W+SMALL\W+PRINT.*",
        re.IGNORECASE | re.MULTILINE,
    ),
    "end": re.compile(
        rf"{_STARS}END\W+OF\W+(?:TH(?:E|IS)\W+)?PROJECT\W+GUTENBERG.*"
        r"|^[^\S\n]*(?:The[^\S\n]+)?End[^\S\n]+of[^\S\n]+(?:(?:the|this)[^\S\n]+)?Project[^\S\n]+"
        rf"Gutenberg.*|{_STARS}START\W+(?:(?:OF\W+)?THE\W+SMALL\W+PRINT|FULL\W+LICEN[SC]E).*",
        re.IGNORECASE | re.MULTILINE,
    ),
}
TITLE_LINES = 3
"""Lines on which the title in a marker may go on."""
_LEGAL = re.compile(
    r"gutenberg|e-?text|e-?book|licen[sc]e|copyright|donation|trademark|disclaim|public domain"
    r"|refund|damages",
    re.IGNORECASE,
)
LEGAL = 1 / 500
"""Least number of such words a character in a licence: today's has 1 in 94, headers 1 in 65 to
96, eleven books one in 17,000 or fewer."""

SHORT = 2000
"""Characters before the first start line, or after the last end line, that are no book."""


class _Marker(NamedTuple):
    start: int
    end: int
    kind: str


def licences(text: str) -> Iterator[Span]:
    """Find headers, licences and the lines that mark them."""
    markers = sorted(_markers(text))
    bounds = [_Marker(0, 0, "end"), *markers, _Marker(len(text), len(text), "start")]
    for before, after in pairwise(bounds if markers else []):
        kinds = before.kind, after.kind
        at_edge = kinds == ("end", "start") and (not before.end or after.start == len(text))
        short = at_edge and after.start - before.end < SHORT
        book = kinds == ("start", "end")  # or a volume of it
        if not book and (short or is_legal(text[before.end : after.start])):
            yield Span(before.start, after.end, "licence" if before.end else "header")
        elif before.end:
            yield Span(before.start, before.end, "marker")


def is_legal(text: str) -> bool:
    """Whether a text is written like a licence or a header."""
    return sum(1 for _ in _LEGAL.finditer(text)) > LEGAL * len(text)


def _markers(text: str) -> Iterator[_Marker]:
    for kind, pattern in _MARKERS.items():
        for match in pattern.finditer(text):
            yield _Marker(match.start(), match.end() + _rest(text, match), kind)


def _rest(text: str, marker: re.Match[str]) -> int:
    """Characters of a marker's title on the next lines, up to its stars or a blank line."""
    starred = "*" in marker[0]
    if starred and marker[0].rstrip().endswith("*"):
        return 0
    length = 0
    for line in text[marker.end() : marker.end() + 500].split("\n")[1 : TITLE_LINES + 2]:
        if not line.strip():
            return 0 if starred else length
        length += 1 + len(line)
        if starred and line.rstrip().endswith("*"):
            return length
    return 0
