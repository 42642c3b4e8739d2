"""Where the tokens of a text stand in the raw text, before the pre-tokenizer changed it."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import count

from gpt1.tokens.fix_text import fix_text
from gpt1.tokens.pre_tokenizer import standardise
from gpt1.tokens.vocabulary import END_OF_WORD, UNKNOWN

WILDCARD = "\0"
"""Stands for an unknown symbol where a text is compared with its tokens."""
LINE_ENDS = "\n\r\u2028\u2029"
"""Each becomes a line feed when the text is repaired."""
WINDOW = 256
"""Characters in which the two are first compared where they differ."""
AGAIN = 8
"""Equal characters in a row that end a difference."""


def offsets(text: str, symbols: Sequence[str]) -> list[tuple[int, int]]:
    """For each symbol of the vocabulary, where it begins and ends in the raw text.

    Each chunk between white space is changed as the pre-tokenizer changes it alone. Where this and
    the characters of the symbols still differ (an encoding repaired across a space, HTML), a symbol
    gets the place of what it replaces. Quadratic in the length of a difference, linear in the text.
    """
    written = [*_characters(text)] or [("", 0)]
    given = "".join(character for character, _ in written)
    parts = [WILDCARD if s == UNKNOWN else s.removesuffix(END_OF_WORD) for s in symbols]
    ours = "".join(parts)
    begins, ends = [0] * len(ours), [0] * len(ours)
    for tag, a, b, c, d in _differences(given, ours):
        # What replaces nothing is of the character before it where a line ends here.
        begin = a - 1 if a == b > 0 and given[a : a + 1] in {"", "\n"} else a
        for place in range(c, d):
            one = tag == "equal" or b - a == d - c  # character by character
            first, last = (a + place - c,) * 2 if one else (begin, max(begin, b - 1))
            begins[place] = written[min(first, len(written) - 1)][1]
            ends[place] = written[min(last, len(written) - 1)][1] + 1
    found, start = [], 0
    for part in parts:
        stop = start + len(part)
        found.append((begins[start], max(ends[start:stop])))
        start = stop
    return found


def _characters(text: str) -> Iterator[tuple[str, int]]:
    """Each character as the vocabulary may have it, and its place; of white space, line ends.

    Of several line ends in a row there is one, as in the tokens.
    """
    last = "\n"
    for found in re.finditer(f"[{LINE_ENDS}]|\\S+", text.rstrip()):
        is_end = found[0] in LINE_ENDS
        if not (is_end and last == "\n"):
            for last, place in [("\n", 0)] if is_end else _changed(found[0]):
                yield last, found.start() + place


@lru_cache(1 << 16)
def _changed(chunk: str) -> list[tuple[str, int]]:
    """The characters of a chunk without white space as the pre-tokenizer changes them."""
    alone = [(each, place) for place, given in enumerate(chunk) for each in _standard(given)]
    given, ours = "".join(each for each, _ in alone), _standard(chunk)
    if given == ours or not given:
        return alone
    return [
        (ours[place], alone[min(a + (place - c) * (b - a) // (d - c), len(alone) - 1)][1])
        for _, a, b, c, d in SequenceMatcher(None, given, ours, autojunk=False).get_opcodes()
        for place in range(c, d)
    ]


def _standard(chunk: str) -> str:
    return "".join(standardise(fix_text(chunk)).lower().split())


def _differences(given: str, ours: str) -> Iterator[tuple[str, int, int, int, int]]:
    """As `SequenceMatcher.get_opcodes`, which is quadratic in the whole text."""
    a = c = 0
    while a < len(given) or c < len(ours):
        equal = _common(given, a, ours, c)
        if equal:
            yield "equal", a, a + equal, c, c + equal
            a, c = a + equal, c + equal
            continue
        b, d = _end_of_difference(given, a, ours, c)
        while b > a and d > c and _alike(given[b - 1], ours[d - 1]):
            b, d = b - 1, d - 1
        matcher = SequenceMatcher(None, given[a:b], ours[c:d], autojunk=False)
        for tag, i, j, k, m in matcher.get_opcodes():
            yield tag, a + i, a + j, c + k, c + m
        a, c = b, d


def _common(given: str, a: int, ours: str, c: int) -> int:
    """How many characters are alike from `a` and `c` on."""
    pairs = zip(range(a, len(given)), range(c, len(ours)), strict=False)
    unlike = (i - a for i, k in pairs if not _alike(given[i], ours[k]))
    return next(unlike, min(len(given) - a, len(ours) - c))


def _alike(given: str, ours: str) -> bool:
    """Whether a character is the other; an unknown symbol may be any but a line end."""
    return given == ours or (ours == WILDCARD and given != "\n")


def _end_of_difference(given: str, a: int, ours: str, c: int) -> tuple[int, int]:
    """Where a difference that begins at `a` and `c` ends: before `AGAIN` equal characters."""
    for width in (WINDOW << doubled for doubled in count()):
        left, right = given[a : a + width], ours[c : c + width]
        matcher = SequenceMatcher(None, left, right, autojunk=False)
        for block in matcher.get_matching_blocks():
            if block.size >= AGAIN:
                return a + block.a, c + block.b
        if a + width >= len(given) and c + width >= len(ours):
            return len(given), len(ours)
    raise AssertionError("unreachable")
