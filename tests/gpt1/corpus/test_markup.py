import pytest

from gpt1.corpus.markup import drop_marks


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("He was _in the\nway_ in the house!", "He was in the\nway in the house!"),
        ("_“No!”_ she said, _un_happy and un_happy_.", "“No!” she said, unhappy and unhappy."),
        ("_Mr. ____ here_, and =My Boys.=", "Mr. ____ here, and My Boys."),
        ("_one_--_two_", "one--two"),
    ],
)
def test_marks_of_italics_go_and_words_stay(marked: str, plain: str) -> None:
    assert drop_marks(marked) == plain


@pytest.mark.parametrize(
    "text",
    [
        "Mr. ____ came.",
        "file_name and other_name",
        "an _end\n\nthat is none_",
        "x = y = z",
        "a=b, c=d",
    ],
)
def test_what_is_no_pair_of_marks_stays(text: str) -> None:
    assert drop_marks(text) == text
