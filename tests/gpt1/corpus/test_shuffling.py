import itertools
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gpt1.corpus import shuffling
from gpt1.corpus.shuffling import split_sentences

TEXTS = st.lists(st.text(alphabet='ab .!?\n"', max_size=60), min_size=1, max_size=4)


def shuffle_sentences(texts, seed):
    with tempfile.TemporaryDirectory() as scratch:
        return list(shuffling.shuffle_sentences(texts, seed, Path(scratch)))


@given(TEXTS, st.integers(0, 3))
def test_every_sentence_is_still_there_and_every_book_has_as_many(texts, seed):
    found = shuffle_sentences(texts, seed)
    assert Counter("".join(found)) == Counter("".join("".join(split_sentences(t)) for t in texts))
    assert len(found) == len(texts)
    assert found == shuffle_sentences(texts, seed)


def test_sentences_keep_their_marks_and_titles_do_not_end_them():
    text = '"Is Mr. Ashe in?" he asked. She said no!\nNext day'
    assert list(split_sentences(text)) == [
        '"Is Mr. Ashe in?" ',
        "he asked. ",
        "She said no!\n",
        "Next day\n",
    ]


def test_the_order_across_books_is_lost():
    texts = ["".join(f"{book}{i}. " for i in range(200)) for book in "ab"]
    first, second = shuffle_sentences(texts, seed=1)
    for found in (first, second):
        words = found.split()
        assert len(words) == 200
        assert 60 < sum(word.startswith("a") for word in words) < 140
        assert sum(x < y for x, y in itertools.pairwise(words)) < 130


def test_every_order_is_as_likely_as_any_other(monkeypatch):
    monkeypatch.setattr(shuffling, "PILES", 2)
    found = Counter(shuffle_sentences(["a. b. c. "], seed)[0] for seed in range(1200))
    assert len(found) == 6
    assert all(150 < times < 250 for times in found.values())
