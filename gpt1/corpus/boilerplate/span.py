"""Spans of a text that are no part of the book."""

import re
from collections.abc import Iterable
from typing import NamedTuple

BLOCK = re.compile(r"(?:^.*\S.*(?:\n|\Z))+", re.MULTILINE)
"""Consecutive lines that are not blank."""


class RemovedSpan(NamedTuple):
    """A span of a book that was removed; `kind` says why, such as `licence` or `contents`."""

    kind: str
    text: str


class Span(NamedTuple):
    """The characters from `start` up to `end`, and what they are."""

    start: int
    end: int
    kind: str


def cut(text: str, spans: Iterable[Span]) -> tuple[str, list[RemovedSpan]]:
    """The text without some spans, and these in their order; a span inside another goes with it."""
    kept, removed, done = [], [], 0
    for start, end, kind in sorted(spans, key=lambda span: (span.start, -span.end)):
        first = max(start, done)
        if first < end:
            kept.append(text[done:first])
            removed.append(RemovedSpan(kind, text[first:end]))
            done = end
    return "".join([*kept, text[done:]]), removed
