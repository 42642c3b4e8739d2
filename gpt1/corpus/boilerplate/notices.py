"""What publishers and transcribers say about a book, near its beginning and its end."""

import re
from collections.abc import Iterator

from gpt1.corpus.boilerplate.span import BLOCK, Span

EDGE = 0.05
"""Fraction of a book, at either end, that is searched for notices about the book."""
LEAST_EDGE = 3000
"""Characters at either end that are searched at least, up to a quarter of the book."""
SHORT = 500
"""Characters of a block that holds nothing but a printer's name, a copyright or a credit."""

_NAME = (
    r"(?!\s+(?!(?:an )?anonymous|(?:a )?volunteer|students)(?-i:(?:the |an? )?[a-z])"
    r"|[^.]*,\s(?-i:the|an?|he|she|it|I|they|we|you|my|his|her|our|their|this|there)\s(?-i:[a-z]))"
)
"""Before a name: `Produced by the heat of the day` and `Printed in York, the book came late` begin
sentences of a book."""
_CREDIT = re.compile(
    r"\W*(Produced|Transcribed|Prepared|Scanned|Proofread|Digiti[sz]ed|(?:This )?E-?text (?:was )?"
    rf"(?:prepared|produced)) by\b{_NAME}",
    re.IGNORECASE,
)
_NOTICE = re.compile(
    r"all rights reserved|copyright,? (©|\(c\)|\d{4})|^\W*© ?\d{4}|\bISBN\b|smashwords"
    r"|licen[sc]e notes|no part of this (book|publication|work)"
    r"|purely coincidental|licensed for your personal"
    r"|project gutenberg",
    re.IGNORECASE,
)
_SHORT_NOTICE = re.compile(
    r"(?im:^)\W*(?i:copyright(?:ed)?,? (?:in|by)\b)|(?i:entered according to act of congress)"
    r"|(?i:entered at stationers' hall)|\A\W*(?i:first published (?:by|in|at)\b"
    rf"|(?:re)?printed (?:by|in|at)\b{_NAME})"
    r"|PRESS\b[^a-z]*\b(?:LONDON|EDINBURGH|NEW YORK|BOSTON|CAMBRIDGE|OXFORD|CHICAGO)\b"
)
_OTHER_BOOKS = re.compile(
    r"\W*(?:(?:also|(?:other )?(?:books|works|novels|titles)) by\b"
    rf"(?:\W+(?:the|this)\b.* author|{_NAME})"
    r"|by the same author\b(?! (?-i:[a-z]))|also available from\b)",
    re.IGNORECASE,
)
_ABOUT_AUTHOR = re.compile(r"\W*about the author\W*", re.IGNORECASE)
_TRANSCRIBER = re.compile(r"\W*transcriber'?s?'? ?notes?\b", re.IGNORECASE)
_PRICE = re.compile(
    r"\$ ?\d|\b\d+s\. ?(?:\d+d)?|\b\d+ cents\b|\b(?:\d\d?mo|[48]vo)\b"
    r"|\b(?:cloth|boards),? (?:gilt|extra|\d)",
    re.IGNORECASE,
)
PRICES = 5
"""Least number of prices and formats in a publisher's list of books."""
DESCRIPTION = 800
"""Characters between two of them at most."""
_TITLE = re.compile(r"[A-Z].{0,70}[^.!?,;:\"'\]]|[^a-z]{1,80}", re.DOTALL)
_BRACKET = re.compile(r"[\[\]]")
_GAP = re.compile(r"\n\s*\n\s*\n")


def notices(text: str) -> Iterator[Span]:
    """Find blocks near either end that are about the book, its author or other books."""
    edge = max(int(EDGE * len(text)), min(LEAST_EDGE, len(text) // 4))
    for match in BLOCK.finditer(text, 0, edge):
        if match.end() == edge:  # which may cut it in two
            break
        if _TRANSCRIBER.match(match[0]):
            yield Span(match.start(), _end_of_note(text, *match.span()), "transcriber's notes")
        elif kind := _kind(match[0]):
            yield Span(*match.span(), kind)
    blocks = [match.span() for match in BLOCK.finditer(text, len(text) - edge)]
    if len(text) > edge and "\n\n" not in text[len(text) - edge - 2 : len(text) - edge + 1]:
        blocks = blocks[1:]  # the edge may cut it in two
    end = len(text)
    for start, stop in blocks:
        block = text[start:stop]
        if _ABOUT_AUTHOR.fullmatch(block.strip()) or _TRANSCRIBER.match(block):
            kind = "transcriber's notes" if _TRANSCRIBER.match(block) else "about the author"
            yield Span(start, end, kind)
            end = start
            break
        if kind := _kind(block):
            yield Span(start, stop, kind)
    if (first := _list_of_books(text, [span for span in blocks if span[1] <= end])) is not None:
        yield Span(first, end, "other books")


def _kind(block: str) -> str:
    """The kind of a notice, or "" if the block is part of the book."""
    lines = block.strip().splitlines()
    if _OTHER_BOOKS.match(lines[0].strip()) and all(len(line) < 80 for line in lines):
        return "other books"
    if _CREDIT.match(lines[0].strip()) and len(block) < SHORT:
        return "credits"
    if _NOTICE.search(block) and len(block) < 4 * SHORT:
        return "notice"
    return "notice" if len(block) < SHORT and _SHORT_NOTICE.search(block) else ""


def _end_of_note(text: str, start: int, end: int) -> int:
    """The end of a note that begins with the block from `start` to `end`.

    It goes on to its closing bracket or, after a mere heading, to the next two blank lines.
    """
    depth = 0
    for bracket in _BRACKET.finditer(text, start, start + 10 * SHORT):
        if not depth and text[start : bracket.start()].strip():
            break
        depth += 1 if bracket[0] == "[" else -1
        if not depth:
            return bracket.end()
    if "\n" in text[start:end].strip() or (gap := _GAP.search(text, end + 2)) is None:
        return end
    return gap.start() if gap.start() < start + 10 * SHORT else end


def _list_of_books(text: str, blocks: list[tuple[int, int]]) -> int | None:
    """Where a publisher's list of books with their prices begins, if the text ends with one."""
    first, prices, last = None, 0, len(text) if not blocks else blocks[-1][1]
    for number, (start, end) in reversed([*enumerate(blocks)]):
        if found := len(_PRICE.findall(text[start:end])):
            first, prices, last = number, prices + found, start
        elif last - start > DESCRIPTION:
            break
    if first is None or prices < PRICES:
        return None
    while first and _TITLE.fullmatch(text[slice(*blocks[first - 1])].strip()):
        first -= 1
    return blocks[first][0]
