"""Lines that were broken to fit a page, joined into paragraphs: each line end becomes a token."""

import re
from itertools import pairwise

import numpy as np

WIDTHS = range(40, 121)
"""Line lengths, in characters, that a book is wrapped to."""
CONTINUED = 0.3
"""Of wrapped lines at least this share begins with a lower-case letter; in verses and in books of
one paragraph a line hardly any does."""
_BLANK = re.compile(r"\n\s*\n")
_OPEN = re.compile(r"[\w,;]$")
"""How a line ends that ends no sentence."""


def unwrap(text: str) -> str:
    """One line for each paragraph, no blank lines.

    A line goes on in the next one where that one's first word would not have fitted, or begins
    with a lower-case letter; also across the blank lines of a page's end. Verse, whose lines end
    before the margin, stays as it is.
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
    starts = [line.lstrip()[0].islower() for line in lines if line.strip()]
    return sum(starts) >= CONTINUED * len(starts)


def _join(lines: list[str], book: int) -> list[str]:
    """A block between blank lines; `book` is the width that the whole book is wrapped to, or 0."""
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
        # Where lines are not wrapped a short block may be verse: its lines begin with capitals.
        goes_on = (
            full or (lower and (unended or 2 * len(line) > width)) if wrapped else full and lower
        )
        # A ragged margin: longer than a verse, and in the middle of a sentence.
        ragged = prose and unended and 4 * len(line) > 3 * width and following[0] != " "
        if (goes_on or ragged) and width in WIDTHS:
            out[-1] += ("" if out[-1].endswith("-") else " ") + words
        else:
            out.append(words)
    return out
