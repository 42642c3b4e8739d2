"""Which lines of a text without blank lines end a paragraph.

The last line of a paragraph ends a sentence and mostly leaves room for the next word. Where it
fills the line by chance, a heading, or a speech that begins or ends, still shows the next
paragraph; where nothing shows it, the lines are joined.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

_ORDINAL = (
    "(?:the )?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|one|two|"
    "three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|"
    r"(?:twenty|thirty|forty|fifty|sixty)(?:-\w+)?)"
)
_PART = "chapter|book|part|volume|vol\\.|act|scene|stave|canto|letter|phase|section|period"
_NUMBERED = re.compile(
    rf"\W*(?:(?i:{_PART})\s+(?:[IVXLCDM]+|\d+|(?i:{_ORDINAL}))|(?i:{_ORDINAL}) (?i:{_PART})"
    r"|[IVXLCDM]+|\d{1,3})(?:\W*|[\s.:,—-]+[\"'(]?[A-Z].*)"
)
"""Such as `CHAPTER IV. The Return`, `Part Third`, `XII`; not `Book I had`."""
_ABBREVIATION = re.compile(
    r"(?:^|\W)(?:Mr|Mrs|Ms|Dr|St|MM|Mme|Mlle|Messrs|Capt|Col|Gen|Lieut|Sergt|Rev|Hon|Prof|Esq|No|Vol|"
    r"[A-HJ-Z])\.$"
)
_ENDED = re.compile(r"""(?:[.!?…]|[-—] ?["'])["')\]*]*$""")
"""The end of a sentence, or of a speech that is broken off."""
_OPENS = {
    '"': re.compile(r'(?<![^\s(\[—-])"(?=[^\s"])'),
    "'": re.compile(
        r"(?<![^\s(\[\"—-])'(?!(?:em|[Tt]is|[Tt]was|[Tt]were|[Tt]will|til|bout)\b)(?=\w)"
    ),
}
_CLOSES = {'"': re.compile(r'(?<=[^\s(\[])"'), "'": re.compile(r"(?<=[.,!?;:—-])'(?!\w)")}
LONGEST = 120
"""Characters of a heading."""
VERSE = 0.75
"""Verse ends before this fraction of the margin, running text hardly ever inside a sentence."""


def small(line: str) -> bool:
    """Whether a line begins with a small letter, which begins no sentence."""
    return line.lstrip()[:1].islower()


def fits(line: str, after: str, width: int) -> bool:
    """Whether `line` leaves room for the first word of `after` before the margin."""
    return len(line) + 1 + len(after.split(None, 1)[0]) <= width


def is_numbered(line: str) -> bool:
    """Whether a line is a heading with a number, such as `CHAPTER IV. The Return` or `XII`."""
    return len(line) < LONGEST and not small(line) and _NUMBERED.fullmatch(line) is not None


def is_heading(line: str, width: int) -> bool:
    """Whether a line has a heading's number, or is short and all in capitals."""
    short = 10 * len(line.strip()) < 9 * width
    return short and (is_numbered(line) or (line.isupper() and sum(map(str.isalpha, line)) > 1))


def run_on(lines: Sequence[str], width: int) -> list[bool]:
    """For each line but the last, whether it is joined with the next one.

    width: the characters to which the book is wrapped.
    """
    quote = _quote(lines)
    widths = _widths(lines, width)
    by_indent = _begin_by_indent(lines)
    joined = []
    opened = False  # whether a speech goes on at the end of the line
    for number, (line, after) in enumerate(pairwise(lines)):
        opened = _open_at_end(line, quote, opened)
        room = fits(line, after, widths[number])
        paused = room or _ended(line) or line.endswith(":")
        headed = is_heading(after, width) and (is_numbered(after) or paused)
        if is_heading(line, width) or headed:
            goes_on = line.isupper() and after.isupper() and not room
        elif number and is_numbered(lines[number - 1]) and room and not small(after):
            goes_on = False  # a chapter's title
        elif by_indent and _indented(after):
            goes_on = _indented(line) and not _ended(line)
        elif small(after):
            goes_on = True
        elif _ended(line):
            speech = _OPENS[quote].match(after.lstrip()) is not None
            closed = line.endswith(quote) and not opened
            short = room and not (by_indent and len(line) > VERSE * widths[number])
            goes_on = not (short or speech or closed)
        else:
            goes_on = not room or not _verse(lines, number, widths)
        joined.append(goes_on)
        opened = opened and goes_on
    return joined


def _ended(line: str) -> bool:
    return _ENDED.search(line) is not None and _ABBREVIATION.search(line) is None


def _indented(line: str) -> bool:
    return line[0] == " "


def _verse(lines: Sequence[str], number: int, widths: Sequence[int]) -> bool:
    """Whether a line that stops short inside a sentence, before a capital, is verse."""
    if len(lines[number]) < VERSE * widths[number]:
        return True
    return any(
        fits(line, after, widths[number]) and not small(after) and not small(line)
        for line, after in pairwise(lines[max(number - 1, 0) : number + 3])
        if line is not lines[number]
    )


def _quote(lines: Sequence[str]) -> str:
    """The mark that opens the speeches of a book."""
    return max("\"'", key=lambda mark: sum(line.lstrip().startswith(mark) for line in lines))


def _open_at_end(line: str, quote: str, opened: bool) -> bool:
    """Whether a speech is open at the end of a line, if at its beginning it was `opened` or not."""
    last_open = max((match.end() for match in _OPENS[quote].finditer(line)), default=-1)
    last_close = max((match.end() for match in _CLOSES[quote].finditer(line)), default=-1)
    return opened if last_open == last_close else last_open > last_close


def _widths(lines: Sequence[str], width: int) -> list[int]:
    """The margin at each line: letters are indented and narrower, and some books vary.

    A book varies if its middle line is far from its long ones; then the longest of the lines around
    is the margin.
    """
    lengths = [len(line) for line in lines]
    widths = [width] * len(lines)
    if np.median(lengths) < 0.85 * width:
        widths = [max(lengths[max(n - 8, 0) : n + 9]) for n in range(len(lines))]
    start = 0
    for n in range(1, len(lines) + 1):
        if n == len(lines) or _indented(lines[n]) != _indented(lines[start]):
            if _indented(lines[start]) and n - start > 2:
                widths[start:n] = [min(width, max(lengths[start:n]))] * (n - start)
            start = n
    return widths


def _begin_by_indent(lines: Sequence[str]) -> bool:
    """Whether paragraphs begin with an indented line."""
    single = [
        _ended(before)
        for before, line, after in zip(lines, lines[1:], lines[2:], strict=False)
        if _indented(line) and not _indented(before) and not _indented(after)
    ]
    return len(single) > 0.02 * len(lines) and sum(single) > 0.8 * len(single)
