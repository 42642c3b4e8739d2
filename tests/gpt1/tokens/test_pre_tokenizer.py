import pytest

from gpt1.tokens.pre_tokenizer import split_words, standardise


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


def test_a_chunk_is_cut_after_its_256th_character() -> None:
    assert split_words("a" * 600) == ["a" * 256, "a" * 256, "a" * 88]
    assert split_words("a" * 256 + " b") == ["a" * 256, "b"]


@pytest.mark.parametrize("run", ["_", "!", "'", "=-", "a.b", "(:", "\u3042"])
def test_60_000_characters_without_a_space_take_no_quadratic_time(run: str) -> None:
    """Uncut, they take from 30 s to minutes."""
    assert split_words(run * (60_000 // len(run)))
