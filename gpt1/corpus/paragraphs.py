"""Lines that were broken to fit a page, joined into paragraphs: each line end becomes a token."""

import re
from itertools import pairwise

import numpy as np

WIDTHS = range(40, 101)
"""Line lengths, in characters, that a book is wrapped to."""
CONTINUED = 0.3
"""In a wrapped book at least this share of the lines begins with a lower-case letter; in verses and
in books of one paragraph a line hardly any does."""
_BLANK = re.compile(r"\n\s*\n")


def unwrap(text: str) -> str:
    """One line for each paragraph, no blank lines.

    A line goes on in the next one where that one's first word would not have fitted, or begins
    with a lower-case letter. Verse, whose lines end before the margin, stays as it is.
    """
    lengths = [len(line) for line in text.splitlines() if line.strip()]
    if not lengths:
        return ""
    starts = re.findall(r"^[ \t]*(\S)", text, re.MULTILINE)
    wrapped = sum(map(str.islower, starts)) >= CONTINUED * len(starts)
    width = int(np.quantile(lengths, 0.9))
    book = width if wrapped and width in WIDTHS else 0
    return "\n".join(
        _join(block.splitlines(), book) for block in _BLANK.split(text) if block.strip()
    )


def _join(lines: list[str], book: int) -> str:
    """A block between blank lines; `book` is the width that the whole book is wrapped to, or 0."""
    longest = max(map(len, lines))
    if len(lines) == 1 or longest > WIDTHS[-1]:
        return "\n".join(line.strip() for line in lines)
    width = book or longest
    out = [lines[0].strip()]
    for line, following in pairwise(lines):
        words = following.strip()
        full = len(line.rstrip()) + 1 + len(words.split(" ", 1)[0]) > width
        lower = words[:1].islower()
        # In a book that is not wrapped a short block may be verse: its lines begin with capitals.
        goes_on = full or (lower and 2 * len(line) > width) if book else full and lower
        if goes_on and width in WIDTHS:
            out[-1] += ("" if out[-1].endswith("-") else " ") + words
        else:
            out.append(words)
    return "\n".join(out)
