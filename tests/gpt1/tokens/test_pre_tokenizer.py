import re

import pytest

from gpt1.tokens import pre_tokenizer
from gpt1.tokens.pre_tokenizer import RUN, split_words, standardise


def test_standardising_pads_each_run_of_the_listed_punctuation() -> None:
    assert standardise('a--b "c" d\\e f.g:h\'i') == 'a -- b " c " d\\e f.g:h\'i'


def test_dashes_dots_and_accents_become_plain() -> None:
    assert standardise("a\u2014b\u2013c\u2015d\u2012e\u2026 f\u00b4s") == (
        "a - b - c - d\u2012e... f's"
    )


def test_white_space_is_single_and_line_ends_stand_alone() -> None:
    assert standardise(" a\t b \n\n c\u00a0\n") == "a b \n c"


def test_a_special_case_reaches_across_a_space() -> None:
    assert split_words("he:o") == ["he", ":o"]
    assert split_words("he:o )") == ["he", ":", "o", ")"]


def test_words_are_fixed_split_and_lower_cased() -> None:
    assert split_words("\u201cDon\u2019t!\u201d he said.\nÃ‰mile &amp; co") == [
        *['"', "do", "n't", "!", '"', "he", "said", ".", "\n", "émile", "&", "co"]
    ]


def test_a_long_run_of_a_mark_has_the_words_that_spacy_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = " ".join(
        before + mark * (RUN + 9) + after + " " + mark * (RUN + 1)
        for mark in '-~!";?+,)(/*[]}{|_.:#$%&=<>@^`\\…☺—'
        for before, after in [("", ""), ("ab", "cd"), (":", "8"), ("(", " )")]
    )
    ours = split_words(text)
    monkeypatch.setattr(pre_tokenizer, "_RUN", re.compile("(?!)"))
    assert ours == split_words(text)


def test_runs_that_are_not_found_again_are_read_whole() -> None:
    assert "".join(split_words("." * 80 + "a" + "." * 90)) == "." * 80 + "a" + "." * 90
    assert len(split_words("'" * 80)) == 77


def test_a_run_of_20_000_marks_takes_no_time() -> None:
    marks = "_" * 20_000 + " " + "!" * 20_000
    assert len(split_words(marks)) == 40_000
