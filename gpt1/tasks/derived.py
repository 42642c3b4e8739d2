"""Four tasks made from the validation books, one for each input shape; they need no labels.

Each book is split by position into a train, a dev and a test part, in proportion to the number of
examples. Passages stay within a part, so that no two splits share a sentence. Both labels of a
yes-or-no task draw their texts from the same passages, so that a text alone does not give the label
away.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice, pairwise

import numpy as np

from gpt1.errors import UserError
from gpt1.tasks.table import Example, Task

TASKS = {
    "book": Task("book", "classification", ("accuracy",), labels=("", "")),
    "continuation": Task("continuation", "entailment", ("accuracy",), labels=("no", "yes")),
    "same_book": Task("same_book", "similarity", ("accuracy", "f1"), labels=("no", "yes")),
    "next_sentence": Task("next_sentence", "multiple_choice", ("accuracy",)),
}
BOOKS, CHOICES = 6, 4
SENTENCE_END = re.compile(r"""(?<=[.!?;:])["'’”)]*\s+|\n+""")
"""Colons and semicolons count too: in old prose a sentence may run on for a page."""


@dataclass(frozen=True)
class Part:
    """The passages of one book that belong to one split."""

    book: str
    passages: list[str]
    """In the order of the book, without overlaps."""


def make(
    name: str, books: dict[str, str], sizes: dict[str, int], words: int, seed: int
) -> tuple[Task, list[Example]]:
    """Make the task `name` from `books` (name -> text).

    sizes: split -> number of examples.
    words: the least number of words in a passage, which is made of whole sentences.

    The `BOOKS` largest books are used. Raises UserError when they do not contain enough passages.
    """
    if name not in TASKS:
        raise UserError(f"params.yaml: unknown derived task {name}; known: {', '.join(TASKS)}")
    if not books:
        raise UserError(
            f"task {name}: no book is in the validation split; raise clean.valid_fraction"
        )
    if len(books) == 1:
        books = _sections(*next(iter(books.items())))
    largest = sorted(books, key=lambda book: (-len(books[book]), book))[:BOOKS]
    labels = tuple(sorted(largest))
    parts = {book: _parts(book, books[book], sizes, words) for book in labels}
    examples = []
    for index, (split, size) in enumerate(sizes.items()):
        random = np.random.default_rng([seed, index])
        of_split = [parts[book][split] for book in labels]
        drawn = list(islice(_GENERATORS[name](of_split, random), size))
        if len(drawn) < size:
            raise UserError(
                f"task {name}: the validation books have {len(drawn)} of the {size} examples of "
                f"{split}; ask for fewer, or for shorter passages (derived_tasks.{name})"
            )
        examples += [
            Example(split, str(row), text, pair, choices, target)
            for row, (text, pair, choices, target) in enumerate(drawn)
        ]
    task = TASKS[name]
    return (Task("book", task.shape, task.metrics, labels) if name == "book" else task), examples


Drawn = tuple[str, str | None, tuple[str, ...] | None, float]


def _book(parts: list[Part], random: np.random.Generator) -> Iterator[Drawn]:
    """Which book is this passage from? All books are equally frequent."""
    shuffled = [random.permutation(part.passages).tolist() for part in parts]
    for passages in zip(*shuffled, strict=False):
        for label in random.permutation(len(parts)):
            yield passages[label], None, None, float(label)


def _continuation(parts: list[Part], random: np.random.Generator) -> Iterator[Drawn]:
    """Does the second passage follow the first, or is it from another book?"""
    for yes, (book, place) in zip(cycle((0, 1)), _places(parts, random, following=1)):
        other = book if yes else _any_other(len(parts), book, random)
        passages = parts[other].passages
        pair = passages[place + 1 if yes else random.integers(1, len(passages))]
        yield parts[book].passages[place], pair, None, float(yes)


def _same_book(parts: list[Part], random: np.random.Generator) -> Iterator[Drawn]:
    """Are two passages from one book?"""
    for yes, (book, place) in zip(cycle((0, 1)), _places(parts, random, following=0)):
        other = book if yes else _any_other(len(parts), book, random)
        passages = parts[other].passages
        if yes:
            pair = passages[_any_other(len(passages), place, random)]
        else:
            pair = passages[random.integers(len(passages))]
        yield parts[book].passages[place], pair, None, float(yes)


def _next_sentence(parts: list[Part], random: np.random.Generator) -> Iterator[Drawn]:
    """Which of four comes next? The other three come from other books."""
    for target, (book, place) in zip(cycle(range(CHOICES)), _places(parts, random, following=1)):
        choices = []
        for _ in range(CHOICES - 1):
            passages = parts[_any_other(len(parts), book, random)].passages
            choices.append(passages[random.integers(1, len(passages))])
        choices.insert(target, parts[book].passages[place + 1])
        yield parts[book].passages[place], None, tuple(choices), float(target)


_GENERATORS = {
    "book": _book,
    "continuation": _continuation,
    "same_book": _same_book,
    "next_sentence": _next_sentence,
}


def _sections(book: str, text: str) -> dict[str, str]:
    """Split a single book into `BOOKS` parts of about equal length, which stand for books."""
    sentences = SENTENCE_END.split(text)
    bounds = np.linspace(0, len(sentences), BOOKS + 1).round().astype(int)
    return {
        f"{book}, part {n}": "\n".join(sentences[start:end])
        for n, (start, end) in enumerate(pairwise(bounds), 1)
    }


def _parts(book: str, text: str, sizes: dict[str, int], words: int) -> dict[str, Part]:
    """Split one book by position, and each part into passages."""
    sentences = [sentence.strip() for sentence in SENTENCE_END.split(text)]
    sentences = [sentence for sentence in sentences if sentence]
    shares = np.cumsum([0, *sizes.values()]) / sum(sizes.values())
    bounds = (shares * len(sentences)).round().astype(int)
    parts = {
        split: Part(book, _passages(sentences[start:end], words))
        for split, start, end in zip(sizes, bounds[:-1], bounds[1:], strict=True)
    }
    for split, part in parts.items():
        if len(part.passages) < 2:
            raise UserError(
                f"book {book}: too short for {split} passages of {words} words; "
                "hold out longer books, or ask for shorter passages"
            )
    return parts


def _passages(sentences: list[str], words: int) -> list[str]:
    """Join whole sentences until a passage has `words` words; a shorter rest is dropped."""
    passages, current, length = [], [], 0
    for sentence in sentences:
        current.append(sentence)
        length += len(sentence.split())
        if length >= words:
            passages.append(" ".join(current))
            current, length = [], 0
    return passages


def _places(
    parts: list[Part], random: np.random.Generator, following: int
) -> Iterator[tuple[int, int]]:
    """Yield every (book, place) with `following` passages after it, shuffled."""
    places = [
        (book, place)
        for book, part in enumerate(parts)
        for place in range(len(part.passages) - following)
    ]
    for index in random.permutation(len(places)):
        yield places[index]


def _any_other(count: int, one: int, random: np.random.Generator) -> int:
    """A random index below `count` other than `one`."""
    return int((one + random.integers(1, count)) % count)
