"""Overlap between the training books and evaluation tasks: word 13-grams that both contain.

The method is that of Brown et al. 2020, appendix C. An n-gram in a hundred books may be a proverb,
so the matched text is kept for people to judge.
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

from gpt1.corpus.shingles import NGRAM, ngram_hashes, normal_words
from gpt1.files import iterate_rows
from gpt1.tasks import table
from gpt1.workers import ordered_map

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
Occurrence = tuple[str, int, int, int]
"""An n-gram in a book: the book, the number of its first word, the lines of its first and last."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """One stretch of words that an example and a book have in common."""

    split: str
    id: str
    """Of the example."""
    book: str
    first_line: int
    """Of the book's document, where a line is a paragraph."""
    last_line: int
    text: str
    """The normalised words."""


@dataclass(frozen=True)
class TaskOverlaps:
    """The overlaps of one task.

    examples: how many each split has.
    short: how many of them have no text of 13 words and so can never match.
    """

    examples: dict[str, int]
    short: dict[str, int]
    overlaps: list[Overlap]

    def table(self) -> pa.Table:
        """A row for each overlap."""
        return pa.Table.from_pylist([asdict(overlap) for overlap in self.overlaps], SCHEMA)

    def summary(self) -> dict[str, dict[str, int]]:
        """For each split: the number of examples, of short ones, and of those that overlap."""
        overlapping = {(overlap.split, overlap.id) for overlap in self.overlaps}
        return {
            split: {
                "examples": count,
                "short": self.short.get(split, 0),
                "overlapping": sum(of == split for of, _ in overlapping),
            }
            for split, count in self.examples.items()
        }


def find_overlaps(task: Path, documents: Path) -> TaskOverlaps:
    """Compare a task's table with the documents in a Parquet file (book, text).

    Memory holds the n-grams that both have, and the hashes of all n-grams of the task.
    """
    occurrences: dict[str, list[Occurrence]] = defaultdict(list)
    file = pq.ParquetFile(documents)
    texts = ((row["book"], row["text"]) for row in iterate_rows(file, ["book", "text"]))
    match = partial(_matches, task=task.resolve())
    for matches in ordered_map(match, texts, documents.stat().st_size):
        for ngram, occurrence in matches:
            occurrences[ngram].append(occurrence)
    examples: dict[str, int] = defaultdict(int)
    short: dict[str, int] = defaultdict(int)
    overlaps = []
    for example in table.read_task(task)[1]:
        texts_of_words = list(_texts_of_words(example))
        examples[example.split] += 1
        short[example.split] += all(len(words) < NGRAM for words in texts_of_words)
        for words in texts_of_words:
            for book, first_line, last_line, text in _stretches(words, occurrences):
                overlaps.append(
                    Overlap(example.split, example.id, book, first_line, last_line, text)
                )
    return TaskOverlaps(dict(examples), dict(short), overlaps)


def drop_lines(text: str, overlaps: Iterable[tuple[int, int]]) -> str:
    """Remove the lines of a document that overlap with a task.

    overlaps: first and last line of each overlap.
    """
    dropped = {line for first, last in overlaps for line in range(first, last + 1)}
    return "\n".join(line for n, line in enumerate(text.splitlines()) if n not in dropped)


def _texts_of_words(example: table.Example) -> Iterator[list[str]]:
    """Yield the words of each text of an example; no n-gram crosses two texts."""
    for text in (example.text, example.text_pair, *(example.choices or ())):
        if text:
            yield normal_words(text)


def _matches(document: tuple[str, str], task: Path) -> list[tuple[str, Occurrence]]:
    """The n-grams of a document (book, text) whose hash is among those of the task."""
    book, text = document
    lines = [normal_words(line) for line in text.splitlines()]
    words = list(chain.from_iterable(lines))
    hashes, known = ngram_hashes(words), _task_hashes(task)
    if not len(known):
        return []
    nearest = known[np.minimum(np.searchsorted(known, hashes), len(known) - 1)]
    line = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    return [
        (" ".join(words[n : n + NGRAM]), (book, n, int(line[n]), int(line[n + NGRAM - 1])))
        for n in np.flatnonzero(nearest == hashes).tolist()
    ]


@cache
def _task_hashes(task: Path) -> np.ndarray:
    """The sorted hashes of all n-grams of a task, uint64; once for each worker process."""
    texts = chain.from_iterable(map(_texts_of_words, table.read_task(task)[1]))
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *map(ngram_hashes, texts)]))


def _stretches(
    words: list[str], occurrences: dict[str, list[Occurrence]]
) -> Iterator[tuple[str, int, int, str]]:
    """Merge n-grams that follow each other in both a text and a book.

    Yields the book, the first and last line there, and the words in common.
    """
    # By book and offset between the two: first word, word after the last n-gram, first line.
    open_: dict[tuple[str, int], tuple[int, int, int]] = {}
    last_lines: dict[tuple[str, int], int] = {}
    for n in range(len(words) - NGRAM + 1):
        for book, word, first_line, last_line in occurrences.get(
            " ".join(words[n : n + NGRAM]), ()
        ):
            key = (book, word - n)
            first, following, line = open_.get(key, (n, n, first_line))
            if following != n:
                yield book, line, last_lines[key], " ".join(words[first : following + NGRAM - 1])
                first, line = n, first_line
            open_[key], last_lines[key] = (first, n + 1, line), last_line
    for key, (first, following, line) in open_.items():
        yield key[0], line, last_lines[key], " ".join(words[first : following + NGRAM - 1])
