"""Hard-wrapped lines joined into paragraphs: each line end would become a token otherwise.

Where blank lines part the paragraphs, a block between two is one paragraph unless it is verse or a
list. Where there are none, `line_ends.py` decides at each line end. How often both are right on
real books is measured by `benchmarks/cleaning.py`. A text with one sentence a line, as BookCorpus
is, stays so.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gpt1.corpus.line_ends import VERSE, fits, run_on, small

WIDTHS = range(40, 121)
"""Widths, in characters, to which books are wrapped."""
CONTINUED = 0.3
"""A book is wrapped if at least this fraction of its lines begins in lower case; in verse, and with
one paragraph a line, hardly any does."""
SENTENCES = 0.75
"""In a text with one sentence a line, at least this fraction of the lines ends one; at a margin,
half of the lines do at most."""
LONG_BLOCK = 80
"""Lines of a block that is more than one paragraph, if half of the book is in such blocks."""
LONGEST_BLOCK = 2 * LONG_BLOCK
"""Lines of a block that is more than one paragraph in any book."""
_SENTENCE_END = re.compile(r"""[.!?…][\s"'`”’)\]]*$""")
_UNENDED = re.compile(r"[\w,;]$")
"""The end of a line in the middle of a sentence."""
FULL = 0.9
"""Hardly any verse reaches this fraction of the margin."""
_SAID = re.compile(r"""[,.!?—-]["'] [a-z]""")
"""A speech and what follows it, as in `"Go!" he said`."""
_COLUMNS = re.compile(r"\S(?: {3,}|\t)\S")


@dataclass(frozen=True)
class _Layout:
    """How a whole book is set."""

    width: int
    """Characters to which its lines are wrapped; 0 if they are not."""
    spaced: bool
    """Whether blank lines part its paragraphs."""
    sentences: bool = False
    """Whether each of its lines ends a sentence, as in BookCorpus."""


def unwrap(text: str) -> str:
    """Return the text with one line for each paragraph and no blank lines.

    Verse and lists keep their lines. A paragraph goes on across the blank lines of a page's end if
    a small letter follows the middle of a sentence.
    """
    blocks = _blocks(text)
    layout = _layout(blocks)
    paragraphs: list[str] = []
    unfinished = False  # whether the last block is running text that stops inside a sentence
    for block in blocks:
        joined = _joined(block, layout)
        words = [line.strip() for line in block]
        start = 0
        if unfinished and small(words[0]):
            paragraphs[-1] += " " + words[0]
            start = 1
        else:
            paragraphs.append(words[0])
            start = 1
        for line, goes_on in zip(words[start:], joined, strict=True):
            if goes_on:
                paragraphs[-1] += _glue(paragraphs[-1]) + line
            else:
                paragraphs.append(line)
        running = any(joined) or len(block[-1]) > VERSE * layout.width > 0
        running |= not layout.width and sum(map(small, words[-1].split())) > 1
        unfinished = running and _UNENDED.search(words[-1]) is not None
    return "\n".join(paragraphs)


def _glue(before: str) -> str:
    """A hyphen joins without a space; a dash that stands free does not."""
    return "" if before.endswith("-") and not before.endswith(" -") else " "


def _blocks(text: str) -> list[list[str]]:
    """Runs of lines that are not blank."""
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip():
            blocks[-1].append(line.expandtabs(4).rstrip())
        elif blocks[-1]:
            blocks.append([])
    return blocks if blocks[-1] else blocks[:-1]


def _layout(blocks: list[list[str]]) -> _Layout:
    lines = [line for block in blocks for line in block]
    if not lines:
        return _Layout(0, True)
    width = int(np.quantile([len(line) for line in lines], 0.9))
    wrapped = width in WIDTHS and _begin_small(lines)
    in_long = sum(len(block) for block in blocks if len(block) > LONG_BLOCK)
    spaced = 2 * in_long < len(lines)
    return _Layout(width if wrapped else 0, spaced, _are_sentences(lines))


def _are_sentences(lines: list[str]) -> bool:
    """Whether hardly any line stops inside a sentence, where a margin would end it."""
    return sum(_SENTENCE_END.search(line) is not None for line in lines) >= SENTENCES * len(lines)


def _begin_small(lines: list[str]) -> bool:
    """Whether enough lines begin in lower case to be wrapped prose."""
    return sum(map(small, lines)) >= CONTINUED * len(lines)


def _joined(block: list[str], layout: _Layout) -> list[bool]:
    """For each line but the last, whether it is joined with the next one."""
    longest = max(map(len, block))
    alone = [False] * (len(block) - 1)
    if len(block) == 1 or (not layout.width and longest > WIDTHS[-1]):
        return alone
    if layout.sentences and _are_sentences(block):
        return alone
    if layout.width and (len(block) > LONGEST_BLOCK or not layout.spaced):
        return run_on(block, layout.width)
    # Verse of even lines fills a margin of its own: where the book's margin is not reached, only
    # small letters show running text.
    width = layout.width
    if 10 * longest < 9 * width or not width:
        own = longest - min(map(_indent, block)) in WIDTHS and _begin_small(block[1:])
        width = longest if own else layout.width
    if not width:
        return alone
    if _is_prose(block, width):
        return [
            small(after) or 2 * len(line) >= width or not fits(line, after, width)
            for line, after in pairwise(block)
        ]
    return [small(after) and len(line) > VERSE * width for line, after in pairwise(block)]


def _is_prose(block: list[str], width: int) -> bool:
    """Whether the lines of a block end where the margin is, and not where verse or a list says."""
    score = 0.0
    for number, (line, after) in enumerate(pairwise(block)):
        if _COLUMNS.search(line.strip()):
            score -= 2
        elif small(after) or not fits(line, after, width) or _SAID.search(line):
            score += 2
        elif len(line) < VERSE * width:
            score -= 2
        else:
            score += 0.5 if len(block) == 2 or len(line) >= FULL * width else -0.5
        if (number or len(block) == 2) and abs(_indent(after) - _indent(line)) > 1:
            score -= 1
    return score > 0


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
