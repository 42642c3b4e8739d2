"""Hard-wrapped lines joined into paragraphs: each line end would become a token otherwise."""

import re
from itertools import pairwise

import numpy as np

WIDTHS = range(40, 121)
"""Widths, in characters, to which books are wrapped."""
CONTINUED = 0.3
"""Lines are wrapped if at least this fraction of them begins in lower case; in verse, and in books
with one paragraph a line, hardly any does."""
_BLANK = re.compile(r"\n\s*\n")
_OPEN = re.compile(r"[\w,;]$")
"""The end of a line in the middle of a sentence."""


def unwrap(text: str) -> str:
    """Return the text with one line for each paragraph and no blank lines.

    A line is joined with the next one if that line's first word would not have fitted any more, or
    begins with a lower-case letter; also across the blank lines of a page's end. Verse keeps its
    lines, because they end before the margin.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    width = int(np.quantile([len(line) for line in lines], 0.9)) if _wrapped(lines) else 0
    book = width if width in WIDTHS else 0
    paragraphs: list[str] = []
    for block in _BLANK.split(text):
        if not block.strip():
            continue
        first, *others = _join(block.splitlines(), book)
        if paragraphs and first[0].islower() and _OPEN.search(paragraphs[-1]):
            paragraphs[-1] += " " + first
        else:
            paragraphs.append(first)
        paragraphs += others
    return "\n".join(paragraphs)


def _wrapped(lines: list[str]) -> bool:
    """Whether enough lines begin in lower case to be wrapped prose."""
    starts = [line.lstrip()[0].islower() for line in lines if line.strip()]
    return sum(starts) >= CONTINUED * len(starts)


def _join(lines: list[str], book: int) -> list[str]:
    """Join the lines of one block between blank lines into paragraphs.

    book: the width, in characters, to which the whole book is wrapped; 0 if it is not.
    """
    lines = [line for line in lines if line.strip()]
    longest = max(map(len, lines))
    if len(lines) == 1 or longest > WIDTHS[-1]:
        return [line.strip() for line in lines]
    wrapped = bool(book) or _wrapped(lines[1:])
    width = book or longest
    prose = wrapped and (len(lines) == 2 or _wrapped(lines[1:]))
    out = [lines[0].strip()]
    for line, following in pairwise(lines):
        words = following.strip()
        full = len(line.rstrip()) + 1 + len(words.split(" ", 1)[0]) > width
        lower = words[0].islower()
        unended = _OPEN.search(line.rstrip()) is not None
        # In a book that is not wrapped, a short block may be verse: its lines begin with capitals.
        continued = (
            full or (lower and (unended or 2 * len(line) > width)) if wrapped else full and lower
        )
        # A ragged margin: the line is longer than verse and ends in the middle of a sentence.
        ragged = prose and unended and 4 * len(line) > 3 * width and following[0] != " "
        if (continued or ragged) and width in WIDTHS:
            out[-1] += ("" if out[-1].endswith("-") else " ") + words
        else:
            out.append(words)
    return out
