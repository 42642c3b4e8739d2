"""Removal of what publishers and transcribers put around a book, with the spans kept for audit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

EDGE = 0.05
"""Fraction of a book, at either end, that is searched for notices about the book."""

PROSE = 80
"""A line of more characters ends a list of chapters; so do four lines near that length."""

_START = re.compile(
    r"^(\*\*\* ?START OF (THE|THIS) PROJECT GUTENBERG EBOOK.*|\*END\*? ?THE SMALL PRINT.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_END = re.compile(
    r"^(\*\*\* ?END OF (THE|THIS) PROJECT GUTENBERG EBOOK.*|End of (the )?Project Gutenberg.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_CREDIT = re.compile(
    r"(Produced|Transcribed|Prepared|Scanned|E-?text prepared) by\b", re.IGNORECASE
)
_NOTICE = re.compile(
    r"all rights reserved|copyright (©|\(c\)|\d{4})|^© ?\d{4}|\bISBN\b|smashwords|licen[sc]e notes"
    r"|no part of this (book|publication|work)|purely coincidental|licensed for your personal"
    r"|project gutenberg",
    re.IGNORECASE,
)
_OTHER_BOOKS = re.compile(
    r"(also by|(other )?(books|works|novels|titles) by|by the same author|also available from)\b",
    re.IGNORECASE,
)
_ABOUT_AUTHOR = re.compile(r"\W*about the author\W*", re.IGNORECASE)
_CONTENTS = re.compile(r"\W*(table of )?contents\W*", re.IGNORECASE)
_ILLUSTRATION = re.compile(r"^\[Illustration[^\]\n]*\][ \t]*\n?", re.IGNORECASE | re.MULTILINE)
_BLOCK = re.compile(r"(?:^.*\S.*(?:\n|\Z))+", re.MULTILINE)
"""Consecutive lines that are not blank."""


@dataclass(frozen=True)
class RemovedSpan:
    """A span of a book that was removed; `kind` says why, such as `licence` or `contents`."""

    kind: str
    text: str


def strip_boilerplate(text: str) -> tuple[str, list[RemovedSpan]]:
    """Remove licence, notices, table of contents and lists of other books from a book.

    Returns the text that is left, and the removed spans.
    """
    removed: list[RemovedSpan] = []
    if (start := _START.search(text)) is not None:
        removed.append(RemovedSpan("header", text[: start.end()]))
        text = text[start.end() :]
    if (end := _END.search(text)) is not None:
        removed.append(RemovedSpan("licence", text[end.start() :]))
        text = text[: end.start()]
    spans = {*_notices(text), *_contents(text)}
    spans |= {(*match.span(), "illustration") for match in _ILLUSTRATION.finditer(text)}
    kept, done = [], 0
    for first, last, kind in sorted(spans):
        if first >= done:  # a span inside a removed one is gone already
            removed.append(RemovedSpan(kind, text[first:last]))
            kept.append(text[done:first])
            done = last
    return "".join([*kept, text[done:]]).strip("\n"), removed


def _notices(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, kind) of blocks near either end that are about the book or its author."""
    edge = int(EDGE * len(text))
    blocks = [match for match in _BLOCK.finditer(text, 0, edge) if match.end() < edge]
    for block in blocks:
        if kind := _notice_kind(block[0]):
            yield *block.span(), kind
    for block in _BLOCK.finditer(text, len(text) - edge):
        if _ABOUT_AUTHOR.fullmatch(block[0].strip()):
            yield block.start(), len(text), "about the author"
            return
        if kind := _notice_kind(block[0]):
            yield *block.span(), kind


def _notice_kind(block: str) -> str:
    """The kind of a notice, or "" if the block is part of the book."""
    lines = block.strip().splitlines()
    if _OTHER_BOOKS.match(lines[0].strip()) and all(len(line) < 80 for line in lines):
        return "other books"
    if _CREDIT.match(lines[0].strip()) and len(block) < 500:
        return "credits"
    if _NOTICE.search(block) and len(block) < 2000:
        return "notice"
    return ""


def _contents(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, kind) of a table of contents, if there is one.

    It is the heading `Contents` and short lines after it, until the first of them comes again as a
    chapter's heading. If it never does, the list ends at the first gap of two blank lines after at
    least three entries.
    """
    lines = [(match.start(), match[0].strip()) for match in re.finditer(r"[^\n]*\n", text[:50_000])]
    heading = next(
        (n for n, (_, line) in enumerate(lines) if _CONTENTS.fullmatch(line)), len(lines)
    )
    entries: list[str] = []
    gap = 0  # the offset at which the list ends
    blank = full = 0  # blank lines and long lines just before
    for place, entry in lines[heading + 1 :]:
        plain = re.sub(r"\W+", " ", entry).strip().lower()
        if not plain:
            blank, full = blank + 1, 0
            continue
        full = full + 1 if len(entry) > 0.75 * PROSE else 0
        if blank > 1 and len(entries) > 2:
            gap = gap or place
        if len(entries) > 1 and entries[0].startswith(plain):
            gap = place
            break
        if len(entry) > PROSE or full > 3:
            break
        entries.append(plain)
        blank = 0
    if gap:
        yield lines[heading][0], gap, "contents"
