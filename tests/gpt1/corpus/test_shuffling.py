import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gpt1.corpus.shuffling import sentences, shuffle_sentences

TEXTS = st.lists(st.text(alphabet='ab .!?\n"', max_size=60), min_size=1, max_size=4)


@given(TEXTS, st.integers(0, 3))
def test_every_sentence_is_still_there_and_every_book_has_as_many(texts, seed):
    found = shuffle_sentences(texts, seed)
    assert Counter("".join(found)) == Counter("".join("".join(sentences(t)) for t in texts))
    assert len(found) == len(texts)
    assert found == shuffle_sentences(texts, seed)


def test_sentences_keep_their_marks_and_titles_do_not_end_them():
    text = '"Is Mr. Ashe in?" he asked. She said no!\nNext day'
    assert list(sentences(text)) == [
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
