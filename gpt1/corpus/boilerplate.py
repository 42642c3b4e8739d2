"""What publishers and transcribers put around a book, taken off and kept for audit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

EDGE = 0.05
"""The share of a book at either end where notices about the book are looked for."""

PROSE = 80
"""Characters of a line that is no entry in a list of chapters; so are four near to it."""

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
_ALSO = re.compile(
    r"(also by|(other )?(books|works|novels|titles) by|by the same author|also available from)\b",
    re.IGNORECASE,
)
_ABOUT = re.compile(r"\W*about the author\W*", re.IGNORECASE)
_CONTENTS = re.compile(r"\W*(table of )?contents\W*", re.IGNORECASE)
_ILLUSTRATION = re.compile(r"^\[Illustration[^\]\n]*\][ \t]*\n?", re.IGNORECASE | re.MULTILINE)
_BLOCK = re.compile(r"(?:^.*\S.*(?:\n|\Z))+", re.MULTILINE)
"""Lines up to a blank one."""


@dataclass(frozen=True)
class Removed:
    """A span that was taken off, and why: `kind` is one of the words below."""

    kind: str
    text: str


def strip(text: str) -> tuple[str, list[Removed]]:
    """A book without licence, notices, contents and lists of other books; and what was removed."""
    removed: list[Removed] = []
    if (start := _START.search(text)) is not None:
        removed.append(Removed("header", text[: start.end()]))
        text = text[start.end() :]
    if (end := _END.search(text)) is not None:
        removed.append(Removed("licence", text[end.start() :]))
        text = text[: end.start()]
    spans = sorted({*_notices(text), *_contents(text)})
    spans += [(*found.span(), "illustration") for found in _ILLUSTRATION.finditer(text)]
    kept, done = [], 0
    for first, last, kind in sorted(spans):
        if first >= done:
            removed.append(Removed(kind, text[first:last]))
            kept.append(text[done:first])
            done = last
    return "".join([*kept, text[done:]]).strip("\n"), removed


def _notices(text: str) -> Iterator[tuple[int, int, str]]:
    """Blocks at either end that speak of the book, its rights or its author."""
    edge = int(EDGE * len(text))
    blocks = [match for match in _BLOCK.finditer(text, 0, edge) if match.end() < edge]
    for block in blocks:
        if kind := _kind(block[0]):
            yield *block.span(), kind
    for block in _BLOCK.finditer(text, len(text) - edge):
        if _ABOUT.fullmatch(block[0].strip()):
            yield block.start(), len(text), "about the author"
            return
        if kind := _kind(block[0]):
            yield *block.span(), kind


def _kind(block: str) -> str:
    lines = block.strip().splitlines()
    if _ALSO.match(lines[0].strip()) and all(len(line) < 80 for line in lines):
        return "other books"
    if _CREDIT.match(lines[0].strip()) and len(block) < 500:
        return "credits"
    if _NOTICE.search(block) and len(block) < 2000:
        return "notice"
    return ""


def _contents(text: str) -> Iterator[tuple[int, int, str]]:
    """A list of chapters: short lines after the word, until the first of them comes again.

    Where it does not, the list ends at the first large gap, and has three entries at least.
    """
    lines = [(found.start(), found[0].strip()) for found in re.finditer(r"[^\n]*\n", text[:50_000])]
    heading = next(
        (n for n, (_, line) in enumerate(lines) if _CONTENTS.fullmatch(line)), len(lines)
    )
    entries: list[str] = []
    gap = blank = full = 0  # where the first large gap ends; blank lines, long lines just before
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
