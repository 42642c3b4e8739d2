import random
from collections import Counter

import pytest

from gpt1.errors import UserError
from gpt1.tasks import derived

SIZES = {"train": 60, "dev": 20, "test": 40}
WORDS = 8


def book(name: str, sentences: int = 600) -> str:
    """Sentences that name their book and place."""
    words = random.Random(name)
    return " ".join(
        f"{name} {place} {' '.join(words.choices('abcdefgh', k=words.randint(1, 9)))}."
        for place in range(sentences)
    )


BOOKS = {name: book(name) for name in ("Ruth", "Ezra", "Joel", "Amos")}


def make(name: str, seed: int = 1) -> list[derived.Example]:
    return derived.make(name, BOOKS, SIZES, WORDS, seed)[1]


def texts(example: derived.Example) -> list[str]:
    return [t for t in (example.text, example.text_pair, *(example.choices or ())) if t]


def origin(passage: str) -> tuple[str, int, int]:
    """Book, place of the first sentence, place of the last."""
    sentences = passage.rstrip(".").split(". ")
    first, last = sentences[0].split(), sentences[-1].split()
    return first[0], int(first[1]), int(last[1])


@pytest.mark.parametrize("name", derived.TASKS)
def test_a_task_has_the_examples_that_were_asked_for(name: str) -> None:
    assert Counter(example.split for example in make(name)) == SIZES


@pytest.mark.parametrize("name", derived.TASKS)
def test_no_sentence_is_in_two_splits(name: str) -> None:
    seen: dict[str, set[tuple[str, int]]] = {}
    for example in make(name):
        for passage in texts(example):
            of, first, last = origin(passage)
            seen.setdefault(example.split, set()).update((of, n) for n in range(first, last + 1))
    assert not seen["train"] & seen["dev"]
    assert not seen["train"] & seen["test"]
    assert not seen["dev"] & seen["test"]


@pytest.mark.parametrize("name", derived.TASKS)
def test_the_seed_alone_decides(name: str) -> None:
    assert make(name) == make(name)
    assert make(name) != make(name, seed=2)


@pytest.mark.parametrize("name", derived.TASKS)
def test_labels_are_balanced(name: str) -> None:
    counts = Counter(example.target for example in make(name) if example.split == "train")
    assert max(counts.values()) < 2 * min(counts.values())


def test_a_passage_is_labelled_with_its_book() -> None:
    task, examples = derived.make("book", BOOKS, SIZES, WORDS, 1)
    assert all(task.labels[int(e.target or 0)] == origin(e.text)[0] for e in examples)


def test_a_continuation_is_the_passage_right_after_in_the_same_book() -> None:
    for example in make("continuation"):
        (one, _, last), (other, first, _) = map(origin, texts(example))
        assert (one == other and first == last + 1) == bool(example.target)


def test_same_book_means_the_same_book_and_not_the_same_passage() -> None:
    for example in make("same_book"):
        one, other = map(origin, texts(example))
        assert (one[0] == other[0]) == bool(example.target)
        assert one != other


def test_exactly_one_of_four_choices_follows_the_text() -> None:
    for example in make("next_sentence"):
        (one, _, last), *choices = map(origin, texts(example))
        follows = [(of, first) == (one, last + 1) for of, first, _ in choices]
        assert len(follows) == 4
        assert follows.index(True) == example.target
        assert sum(follows) == 1


def test_too_few_passages_are_refused_with_how_many_there_are() -> None:
    with pytest.raises(UserError, match=r"have \d+ of the 1200 examples of train; ask for fewer"):
        derived.make("book", BOOKS, {split: 20 * n for split, n in SIZES.items()}, WORDS, 1)


def test_a_book_that_is_alone_is_cut_into_parts_that_stand_for_books() -> None:
    task, examples = derived.make("book", {"Ruth": BOOKS["Ruth"]}, SIZES, WORDS, 1)
    assert task.labels == tuple(f"Ruth, part {n}" for n in range(1, derived.BOOKS + 1))
    for example in examples:
        _, first, _ = origin(example.text)
        assert example.target == first // (600 // derived.BOOKS)


def test_no_validation_book_is_refused() -> None:
    with pytest.raises(UserError, match="no book is in the validation split"):
        derived.make("book", {}, SIZES, WORDS, 1)


def test_a_book_that_is_too_short_is_named() -> None:
    with pytest.raises(UserError, match="book Obed: too short"):
        derived.make("same_book", BOOKS | {"Obed": "So short."}, SIZES, WORDS, 1)
