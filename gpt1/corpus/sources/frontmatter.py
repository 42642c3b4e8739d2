"""Which pages of an EPUB are no part of the book: navigation and licences.

A long page may hold a whole book, so it loses at most its list of links.
"""

import re
from collections.abc import Iterable, Sequence

from gpt1.corpus.sources.page import Line, Page

_CONTENTS = re.compile(r"\W*(table of )?contents\b.{0,60}", re.IGNORECASE)
_LICENCE_NAME = re.compile(
    r"\W*(start\W+)?(the )?full (project gutenberg\W{0,3}(tm)? )?licen[sc]e\b"
    r"|\*\*\* ?END OF (THE|THIS) PROJECT"
    r"|\W*(the )?project gutenberg\W{0,3}(tm)? licen[sc]e\b"
    r"|\W*(the )?(creative commons|gnu)\b.{0,60}\b(licen[sc]e|deed|legal code)\b",
    re.IGNORECASE,
)
_RIGHTS = re.compile(
    r"all rights reserved|\bISBN\b|creative commons|gutenberg|licen[sc]e"
    r"|no part of this (book|publication)|©|\(c\) ?\d{4}|\bcopyright\b|public domain"
    r"|trademark|disclaim|refund|damages",
    re.IGNORECASE,
)
_NOTICE_PATH = re.compile(r"(^|[\W_])(un)?(copyright|licen[sc]e|colophon|imprint)[^/]*$")
LICENCE, NOTICE = 1 / 500, 1 / 300
"""Least number of words of rights a character in a licence that is named, and in a notice."""
NOTICE_WORDS = 400
"""A longer page that is not written like a licence is a part of the book."""
HEADINGS = 3
"""Lines at the start of a page of which one may name a licence."""
HEADING_WORDS = 15
LIST_REST = 200
"""Most words beside the list of links on a page that is no more than the list."""
SUMMARY_WORDS = 60
"""Most words of a line between two entries of a table of contents."""


def front_matter(path: str, page: Page, said: str) -> tuple[str, str]:
    """What a page is if not a part of the book, or "", and the text that stays of the page.

    said: navigation or licence, where the package says so.
    """
    rest, listed = _without_list(page.lines, said == "navigation")
    text = "\n".join(line.text for line in rest)
    words = len(text.split())
    most = max(20, min(listed, LIST_REST))
    if said == "navigation":
        most = NOTICE_WORDS
    if ((listed or said == "navigation") and words <= most) or _is_list(page.lines):
        return "navigation", ""
    if page.skipped and not text:
        return "navigation or licence", ""
    if _is_licence(path, rest, text, said == "licence"):
        return "licence", ""
    return "", text


def _without_list(lines: Sequence[Line], said: bool) -> tuple[Sequence[Line], int]:
    """Leave out the links below a heading "Contents"; return the other lines, and the words cut.

    said: the page is said to be navigation, so its first links need no heading.
    """
    headings = (i for i, line in enumerate(lines) if _CONTENTS.fullmatch(line.text))
    start = next(headings, None)
    if start is None and said:
        start = next((i for i, line in enumerate(lines) if line.targets), None)
    end = _list_end(lines, start) if start is not None else None
    if start is None or end is None:
        return lines, 0
    return [*lines[:start], *lines[end:]], _words(lines[start:end])


def _list_end(lines: Sequence[Line], start: int) -> int | None:
    """The line after the list of links that begins at `start`; None if there is none.

    It goes on with single lines between, such as summaries, and ends where an entry comes again,
    as the heading of a chapter that links back to the list.
    """
    seen: set[str] = set()
    targets: set[str] = set()
    end, gap = None, 0
    for at, line in enumerate(lines[start:], start):
        if line.targets and line.text.casefold() not in seen:
            seen.add(line.text.casefold())
            targets |= line.targets
            end, gap = at + 1, 0
        elif at > start:
            gap += 1
            if line.targets or gap > 1 or len(line.text.split()) > SUMMARY_WORDS:
                break
    return end if len(targets) > 1 else None


def _is_list(lines: Sequence[Line]) -> bool:
    """Whether a page is for the most part a list of links, each to a place of its own."""
    entries: list[Line] = []
    targets: set[str] = set()
    for line in lines:
        if line.linked and line.targets - targets:
            entries.append(line)
            targets |= line.targets
    text = sum(line.linked for line in lines) - len(entries)  # verse or speech inside links
    rest = _words(lines) - _words(entries)
    return len(targets) > 1 and 5 * text <= len(entries) and rest <= min(_words(entries), LIST_REST)


def _is_licence(path: str, lines: Iterable[Line], text: str, said: bool) -> bool:
    head = [line.text for line in lines][:HEADINGS]
    if not text:
        return False
    rights = sum(1 for _ in _RIGHTS.finditer(text)) / len(text)
    named = any(
        _LICENCE_NAME.match(line) and (not i or len(line.split()) <= HEADING_WORDS)
        for i, line in enumerate(head)
    )
    if rights > LICENCE and (named or said):
        return True
    if len(text.split()) > NOTICE_WORDS:
        return False
    return said or rights > NOTICE or bool(_NOTICE_PATH.search(path))


def _words(lines: Iterable[Line]) -> int:
    return sum(len(line.text.split()) for line in lines)
