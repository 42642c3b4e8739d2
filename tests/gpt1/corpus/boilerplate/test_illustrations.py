import pytest

from gpt1.corpus.boilerplate import strip_boilerplate

PROSE = "\n\n".join(f"Sentence {n} stands here, as in a book." for n in range(400))


@pytest.mark.parametrize(
    "mark",
    [
        "[Illustration]",
        "          [Illustration: Beth at the piano]",
        "[Illustration: A caption\nof two lines]",
        '[Illustration:\n\n     "No, no; stay where you are"\n\n[_Copyright 1894 by G. A._]]',
        "     [Picture: Meekly going to her pasture]",
        "[Illustration: a bracket too many]\n\n]",
        "[Illustration: one that nobody closed",
        "[Frontispiece]",
        "[Plate IV.]",
    ],
)
def test_a_mark_goes_with_its_caption(mark: str) -> None:
    text, removed = strip_boilerplate(f"{PROSE}\n\n{mark}\n\nAnd on it goes.\n\n{PROSE}")
    assert text.split() == f"{PROSE} And on it goes. {PROSE}".split()
    assert [span.kind for span in removed] == ["illustration"]


def test_a_sentence_that_a_mark_cuts_in_two_is_whole_again() -> None:
    for before, after in [
        ("hidden behind the lodges, in order to have", "the earliest assurance of it."),
        (
            "He had walked for an hour,\nand at last in that wide and empty drawing-room he met Mr",
            "Darcy.",
        ),
    ]:
        mark = "[Illustration:\n\nThey met\n]"
        text = strip_boilerplate(f"{PROSE}\n\n{before}\n\n{mark}\n\n{after}\n\n{PROSE}")[0]
        assert f"{before}\n{after}" in text


@pytest.mark.parametrize(
    "kept",
    [
        "[Footnote 1: see page 9]",
        "[_Exit Nora._]",
        "[Picture it yourself!]",
        "PREFACE\n\nIllustrations",
    ],
)
def test_other_brackets_stay(kept: str) -> None:
    text = f"{PROSE}\n\n{kept}\n\n{PROSE}"
    assert strip_boilerplate(text) == (text, [])
