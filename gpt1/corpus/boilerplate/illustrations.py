"""Marks of illustrations with their captions, such as `[Illustration: A ship [Copyright 1894]]`."""

import re
from collections.abc import Iterator

from gpt1.corpus.boilerplate.span import Span

LONGEST = 2000
"""Characters of a caption; a mark that is not closed by then ends with its line."""
_MARK = re.compile(
    r"\[[^\S\n]*_?(?:Illustrations?\b|(?:Picture|Image|Photograph|Photo|Frontispiece|Plate|Map|Drawing|"
    r"Decoration|Ornament|Vignette|Head-?piece|Tail-?piece|Cover)s?\b[^\S\n]*\w{0,5}[^\S\n]*[:\].])",
    re.IGNORECASE,
)
_BRACKET = re.compile(r"[\[\]]")
_LONE_BRACKETS = re.compile(r"(?:[^\S\n]*\n)*[^\S\n]*\]+[^\S\n]*(?=\n|\Z)")
_INSIDE_SENTENCE = re.compile(r"[\w,;]\Z")
_REST_OF_LINE = re.compile(r"[^\S\n]*(?:\n|\Z)")
_SPACE = re.compile(r"\s*")
_BEFORE = 300
"""Characters before a mark that are searched for the middle of a sentence."""
PROSE = 50
"""Characters of a line that is neither verse nor a heading."""


def illustrations(text: str) -> Iterator[Span]:
    """Find the marks; one that fills its lines goes with them.

    One in the middle of a sentence also goes with the blank lines around it, so that the sentence
    is one paragraph again.
    """
    done = 0
    for mark in _MARK.finditer(text):
        if mark.start() < done:
            continue
        start, end = mark.start(), _close(text, mark.start())
        if brackets := _LONE_BRACKETS.match(text, end):
            end = brackets.end()
        line = text.rfind("\n", 0, start) + 1
        rest = _REST_OF_LINE.match(text, end)
        if rest and not text[line:start].strip():
            start, end = _with_gap(text, line, rest.end())
        done = end
        yield Span(start, end, "illustration")


def _close(text: str, start: int) -> int:
    """The end of the bracket that opens at `start`, or of its line if it is not closed."""
    depth = 0
    for bracket in _BRACKET.finditer(text, start, start + LONGEST):
        depth += 1 if bracket[0] == "[" else -1
        if not depth:
            return bracket.end()
    end = text.find("\n", start)
    return end if end >= 0 else len(text)


def _with_gap(text: str, start: int, end: int) -> tuple[int, int]:
    """The span with the blank lines around it, if it cuts a sentence in two."""
    before = text[max(start - _BEFORE, 0) : start].rstrip()
    after = _SPACE.match(text, end)
    if not _INSIDE_SENTENCE.search(before) or after is None or after.end() == len(text):
        return start, end
    *others, last = before.rsplit("\n", 2)
    prose = len(last) > PROSE and bool(others) and bool(others[-1].strip())
    if not prose and not text[after.end()].islower():
        return start, end
    return text.rfind(last, 0, start) + len(last) + 1, after.end()
