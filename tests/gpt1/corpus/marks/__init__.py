"""Line ends, illustrations and contents of real books, marked by hand, and how cleaning meets them.

Each file has a line for a book, with line numbers from 1, so that no book is copied here. They were
drawn at random with fixed seeds and read with the lines around them; what stayed in doubt after
reading is left out.

- `line_ends.tsv`: kind, book, whether the line is `joined` with the next one or a paragraph `ends`.
  The kinds: `blocks` and `any`, drawn from all line ends of books with and without blank lines;
  `ragged`, lines of a block that leave room for the first word of the next one, which begins with a
  capital; `sentence ends` in books without blank lines, two thirds of them at the margin;
  `headings`; `letters and verse` with their introductions; `gaps`, blank lines after an unfinished
  sentence or before a small letter.
- `illustrations.tsv`, `contents.tsv`: book, lines of the marks and of the lists.
"""

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from gpt1.corpus.boilerplate import RemovedSpan
from gpt1.tokens.fix_text import fix_text

HERE = Path(__file__).parent
MARKUP = re.compile(r"[\s_=]")
"""Not counted where lines are found again: cleaning may drop it."""


@cache
def book(name: str) -> str:
    """The repaired text of a real book, or a skip without the real data."""
    if not (data := os.environ.get("GPT1_REAL_DATA")):
        pytest.skip("GPT1_REAL_DATA is not set")
    (path,) = Path(data).glob(f"*books*/{name}.txt")
    return fix_text(path.read_bytes().decode("utf-8-sig"))


def line_ends() -> Iterator[tuple[str, str, list[int], list[int]]]:
    """(kind, book, lines that are joined with the next one, lines that end a paragraph)."""
    rows: dict[tuple[str, str], dict[str, list[int]]] = {}
    for row in (HERE / "line_ends.tsv").read_text().splitlines():
        kind, name, label, lines = row.split("\t")
        rows.setdefault((kind, name), {})[label] = [int(line) for line in lines.split()]
    for (kind, name), labels in rows.items():
        yield kind, name, labels.get("joined", []), labels.get("ends", [])


def spans(file: str) -> Iterator[tuple[str, list[range]]]:
    """(book, ranges of line numbers)."""
    for row in (HERE / file).read_text().splitlines():
        name, ranges = row.split("\t")
        pairs = [each.split("-") for each in ranges.split()]
        yield name, [range(int(pair[0]), int(pair[-1]) + 1) for pair in pairs]


def paragraph_ends(text: str, unwrapped: str) -> set[int]:
    """The numbers of the lines of `text` at whose end `unwrapped` begins a new line."""
    ends, length = set(), 0
    for line in unwrapped.splitlines():
        length += len(MARKUP.sub("", line))
        ends.add(length)
    found, length = set(), 0
    for number, line in enumerate(text.split("\n"), 1):
        length += len(MARKUP.sub("", line))
        if length in ends and line.strip():
            found.add(number)
    return found


def removed_lines(text: str, removed: list[RemovedSpan], kinds: set[str]) -> set[int]:
    """The numbers of the lines of `text`, blank ones aside, that stand in removed spans."""
    found, start = set(), 0
    for span in removed:
        place = text.find(span.text, start)
        if place < 0 or span.kind not in kinds:
            continue
        start = place + len(span.text)
        first = text.count("\n", 0, place) + 1
        lines = enumerate(span.text.split("\n"), first)
        found |= {number for number, line in lines if line.strip()}
    return found


def filled(text: str, ranges: list[range]) -> set[int]:
    """The numbers in `ranges` of lines that are not blank."""
    lines = text.split("\n")
    return {number for each in ranges for number in each if lines[number - 1].strip()}
