import pytest

from gpt1.corpus.markup import drop_marks


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("He was _in the\nway_ in the house!", "He was in the\nway in the house!"),
        ("_“No!”_ she said, _un_happy and un_happy_.", "“No!” she said, unhappy and unhappy."),
        ("_Mr. ____ here_, and =My Boys.=", "Mr. ____ here, and My Boys."),
        ("_one_--_two_", "one--two"),
        ("(=A man.=) “=Go=,” =one=--=two\nthree=", "(A man.) “Go,” one--two\nthree"),
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
        "If x=-1 and y=-2 then all is well.",
        "a=(b+c) and d=(e)",
        "f(x)=(y) and g[1]=(z)",
        "He was =not here. And=ok",
        "a fare of =3 or =5.",
        "a =bold\n\nmark= of two paragraphs",
    ],
)
def test_what_is_no_pair_of_marks_stays(text: str) -> None:
    assert drop_marks(text) == text
