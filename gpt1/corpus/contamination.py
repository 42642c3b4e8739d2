"""What the training books have in common with evaluation tasks: runs of 13 normalised words.

Brown et al. 2020, appendix C, looked for the same. A run in a hundred books may be a proverb: the
matched text is kept, for people to judge.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gpt1.corpus.shingles import LENGTH, normal_words, runs
from gpt1.files import rows
from gpt1.tasks import table
from gpt1.workers import ordered

SCHEMA = pa.schema(
    [
        ("split", pa.string()),
        ("id", pa.string()),
        ("book", pa.string()),
        ("first_line", pa.int64()),
        ("last_line", pa.int64()),
        ("text", pa.string()),
    ]
)
Place = tuple[str, int, int, int]
"""A book, the number of a word in it, the lines of that word and of the last one of its run."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """One stretch of words that stands in an example and in a book."""

    split: str
    id: str
    """Of the example."""
    book: str
    first_line: int
    """Of the book's document; a line is a paragraph."""
    last_line: int
    text: str
    """The words, normalised."""


@dataclass(frozen=True)
class Checked:
    """`examples`: of each split; `short`: those that have no 13 words in a row, so never match."""

    examples: dict[str, int]
    short: dict[str, int]
    overlaps: list[Overlap]

    def table(self) -> pa.Table:
        """A row for each stretch of words in common."""
        return pa.Table.from_pylist([asdict(overlap) for overlap in self.overlaps], SCHEMA)

    def summary(self) -> dict[str, dict[str, int]]:
        """For each split: examples, how many are short, and how many overlap with a book."""
        found = {(overlap.split, overlap.id) for overlap in self.overlaps}
        return {
            split: {
                "examples": count,
                "short": self.short.get(split, 0),
                "overlapping": sum(of == split for of, _ in found),
            }
            for split, count in self.examples.items()
        }


def check(task: Path, documents: Path) -> Checked:
    """Compare a task's table with the documents of a Parquet file (book, text)."""
    places: dict[str, list[Place]] = defaultdict(list)
    file = pq.ParquetFile(documents)
    texts = ((row["book"], row["text"]) for row in rows(file, ["book", "text"]))
    for matches in ordered(partial(_matches, task=task.resolve()), texts, documents.stat().st_size):
        for run, place in matches:
            places[run].append(place)
    examples: dict[str, int] = defaultdict(int)
    short: dict[str, int] = defaultdict(int)
    overlaps = []
    for example in table.read_task(task)[1]:
        parts = list(_parts(example))
        examples[example.split] += 1
        short[example.split] += all(len(words) < LENGTH for words in parts)
        for words in parts:
            for book, first_line, last_line, text in _stretches(words, places):
                overlaps.append(
                    Overlap(example.split, example.id, book, first_line, last_line, text)
                )
    return Checked(dict(examples), dict(short), overlaps)


def without(text: str, overlaps: Iterable[tuple[int, int]]) -> str:
    """A document without the lines that overlap with a task: first and last line of each."""
    gone = {line for first, last in overlaps for line in range(first, last + 1)}
    return "\n".join(line for n, line in enumerate(text.splitlines()) if n not in gone)


def _parts(example: table.Example) -> Iterator[list[str]]:
    """The words of each text of an example; no run of words crosses two texts."""
    for text in (example.text, example.text_pair, *(example.choices or ())):
        if text:
            yield normal_words(text)


def _matches(document: tuple[str, str], task: Path) -> list[tuple[str, Place]]:
    """Each run of words of a document whose hash is one of the task's."""
    book, text = document
    lines = [normal_words(line) for line in text.splitlines()]
    words = list(chain.from_iterable(lines))
    hashes, known = runs(words), _runs(task)
    if not len(known):
        return []
    nearest = known[np.minimum(np.searchsorted(known, hashes), len(known) - 1)]
    line = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    return [
        (" ".join(words[n : n + LENGTH]), (book, n, int(line[n]), int(line[n + LENGTH - 1])))
        for n in np.flatnonzero(nearest == hashes).tolist()
    ]


@cache
def _runs(task: Path) -> np.ndarray:
    """The sorted hashes of all the task's runs of words."""
    parts = chain.from_iterable(map(_parts, table.read_task(task)[1]))
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *map(runs, parts)]))


def _stretches(
    words: list[str], places: dict[str, list[Place]]
) -> Iterator[tuple[str, int, int, str]]:
    """Runs that follow each other both in a text and in a book, as one: book, lines, words."""
    open_: dict[tuple[str, int], tuple[int, int, int]] = {}  # first and next word, first line
    ends: dict[tuple[str, int], int] = {}  # last line
    for n in range(len(words) - LENGTH + 1):
        for book, word, first_line, last_line in places.get(" ".join(words[n : n + LENGTH]), ()):
            key = (book, word - n)
            first, following, line = open_.get(key, (n, n, first_line))
            if following != n:
                yield book, line, ends[key], " ".join(words[first : following + LENGTH - 1])
                first, line = n, first_line
            open_[key], ends[key] = (first, n + 1, line), last_line
    for key, (first, following, line) in open_.items():
        yield key[0], line, ends[key], " ".join(words[first : following + LENGTH - 1])
