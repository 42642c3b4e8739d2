"""Tables of contents and lists of illustrations.

A list is a heading such as `Contents` and entries after it. A line is an entry if it has a number
like a chapter, if it ends with the number of a page, or if it comes again later as a line or as a
caption. The list ends with its last entry, and at the latest where its first one comes again: what
stands between, such as a dedication or the persons of a play, is the book's.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise, takewhile

from gpt1.corpus.boilerplate.span import Span

GAP = 8
"""Lines between two entries: the summary of a chapter, the second line of a long title."""
LEAST = 3
"""Entries of a list."""
LONGEST = 80
"""Characters of an entry that is known only by coming again."""
WORDS = 12
"""Words of such an entry."""
LONGEST_NUMBERED = 300
"""Characters of an entry with a number, and of the lines between entries."""
_LIST = r"(?:{} of )?{}(?: of (?:the )?(?:vol|part|book)\w*\W+\w+)?"
_NAMES = [("Table", "Contents"), ("List", "(?:Illustrations|Plates|Maps|Figures)")]
_HEADING = re.compile(
    r"\W*(?:\[Illustration:)?\W*(?=[A-Z])(?i:"
    + "|".join(_LIST.format(*names) for names in _NAMES)
    + r")\W*"
)
_PAGE = re.compile(r"(?<=\S)(?:\s{2,}|[\s.]{3,}|\t)\W*(?:\d{1,4}|[ivxlc]+)\W*$")
_ORDINAL = (
    "(?:the )?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|one|two|"
    "three|four|five|six|seven|eight|nine|ten)"
)
_TITLE = r"(?-i:[A-HJ-Z])[^.!?,;:\"']*$"
"""What follows a dash after a number; `I--I did not` and `I--well, I knew` are speech."""
_NUMBER = re.compile(
    r"\W*(?:(?P<part>chapter|chap|book|part|volume|vol|act|scene|stave|canto|letter|phase|section)"
    rf"\W+(?P<of_part>[ivxlcdm]+|\d{{1,3}}|{_ORDINAL})\b"
    r"|(?P<bare>(?-i:[IVXLCDM]+)|\d{1,3})"
    rf"(?=\W*$|\s*[.:)]|\s+[—-]|[—-]+(?:\s|{_TITLE})|(?<=\d)[—-]|\s{{2,}}|(?-i:\s[^a-z]*$)))\W*"
    r"(?P<title>.*)",
    re.IGNORECASE,
)
_PART = re.compile(r"\W*(?:book|part|volume|vol|phase|section)\b", re.IGNORECASE)
_CAPTION = re.compile(r"\W*\[(?:Illustration|Picture)\s*:?\s*", re.IGNORECASE)
_WORDS = re.compile(r"\W+")


def contents(text: str) -> Iterator[Span]:
    """Find the lists, wherever in the book they are: each volume may have its own."""
    lines = text.split("\n")
    headings = [number for number, line in enumerate(lines) if _is_heading(line)]
    if not headings:
        return
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    places = _places(lines)
    done = 0
    for heading in headings:
        if heading >= done and (last := _last_line(lines, heading, places)):
            done = last + 1
            yield Span(starts[heading], min(starts[done], len(text)), "contents")


def _is_heading(line: str) -> bool:
    return len(line) <= LONGEST and _HEADING.fullmatch(line) is not None


def _places(lines: list[str]) -> dict[str, int]:
    """Where each line that may be a heading, or each caption, comes for the last time."""
    places = {}
    for number, line in enumerate(lines):
        caption = _CAPTION.match(line)
        if len(line) <= LONGEST and (caption or line.lstrip()[:1] not in "\"'"):
            places[_plain(line[caption.end() :] if caption else line)] = number
            if title := _NUMBER.match(line):
                places[_plain(title["title"])] = number
    return places


def _plain(line: str) -> str:
    return _WORDS.sub(" ", line).strip().lower()


def _last_line(lines: list[str], heading: int, places: dict[str, int]) -> int:
    """The number of the last line of the list under a heading; 0 if there is no list."""
    entries: list[_Entry] = []
    gap = 0  # lines since the last entry
    again = False
    before = ""
    for number, line in enumerate(lines[heading + 1 :], heading + 1):
        if len(line) > LONGEST_NUMBERED:
            break
        if not (plain := _plain(line)):
            continue
        entry = _entry(number, line, plain, places)
        again = _begins_again(entry, entries, before)
        if again or _is_heading(line) or gap > GAP:
            break
        gap = 0 if entry.known else gap + 1
        entries += [entry] if entry.known else []
        before = line
    if len(entries) < LEAST - again:
        return _unknown(lines, heading)
    return _end(lines[:number], entries)


def _end(lines: list[str], entries: list["_Entry"]) -> int:
    """The last line of the last entry of the kind that most are of.

    What follows is the title of that entry if titles follow the others, too.
    """
    kinds = Counter(entry.known for entry in entries)
    kind = next((kind for kind in ("page", "number") if 2 * kinds[kind] >= len(entries)), "again")
    places = [entry.line for entry in entries if entry.known == kind]
    last = places[-1]
    known = max((entry.line for entry in entries if entry.known == "again"), default=0)
    titles = max(
        (sum(map(bool, map(str.strip, lines[one + 1 : other]))) for one, other in pairwise(places)),
        default=0,
    )
    for number in range(last + 1, min(last + 1 + 2 * titles, len(lines))):
        if not titles or (not lines[number].strip() and known <= number):
            break
        if lines[number].strip():
            last, titles = number, titles - 1
    rest = [*takewhile(str.strip, lines[last + 1 : last + 2 + GAP])]  # of its block, if a list
    ends = last + len(rest) + 1 < len(lines) and len(rest) <= GAP
    block = [*takewhile(str.strip, reversed(lines[: last + 1]))]
    is_list = len(block) >= LEAST and all(len(line) <= LONGEST for line in rest)
    return last + len(rest) if ends and is_list else last


def _unknown(lines: list[str], heading: int) -> int:
    """The last line before two blank ones, if no entry is known but all look like titles; or 0."""
    last = heading
    for number in range(heading + 1, min(heading + 1 + LONGEST_NUMBERED, len(lines))):
        line = lines[number].strip()
        if line and (len(line) > LONGEST or line[0].islower() or line[-1] in ".!?,;:\"'"):
            return 0
        if not line and last > heading + LEAST and number - last > 1:
            return last
        last = number if line else last
    return 0


@dataclass(frozen=True)
class _Entry:
    line: int
    plain: str
    known: str
    """What it is known by: its `page`, its `number`, or that it comes `again`; empty: no entry."""
    part: str = ""
    number: str = ""
    title: str = ""
    """What follows its number."""


def _entry(line_number: int, line: str, plain: str, places: dict[str, int]) -> _Entry:
    page = _PAGE.search(line)
    number = _NUMBER.match(line[: page.start()] if page else line)
    title = _plain(number["title"]) if number else ""
    if page:
        return _Entry(line_number, _plain(line[: page.start()]), "page", title=title)
    if number:
        part = (number["part"] or "").lower()
        count = (number["of_part"] or number["bare"]).lower()
        return _Entry(line_number, plain, "number", part, count, title)
    short = len(line) <= LONGEST and len(plain) > 2 and len(plain.split()) <= WORDS
    again = short and places.get(plain, 0) > line_number
    return _Entry(line_number, plain, "again" if again else "")


def _begins_again(entry: _Entry, entries: list[_Entry], before: str) -> bool:
    """Whether a line is the heading of the first chapter, where the book begins."""
    if not entries:
        return False
    first = entries[0]
    if not entry.number and any(entry.plain == each.title for each in entries):
        return True
    in_part = _PART.match(before) is not None and _PART.match(entry.plain) is None
    part = entry.part == (first.part or "chapter") or first.plain.startswith(f"{entry.plain} ")
    if entry.number and entry.number == first.number and part and len(entries) > 1 and not in_part:
        return True
    # Chapters begin anew in each part, but not after one another.
    twice = bool(entry.part) and any(entry.plain == each.plain for each in entries)
    return entry.plain == first.plain or (twice and not in_part)
