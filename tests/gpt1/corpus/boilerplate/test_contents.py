import pytest

from gpt1.corpus.boilerplate import strip_boilerplate

PROSE = "\n\n".join(
    f"In chapter after chapter, sentence {n} stands here as in a book that is printed."
    for n in range(99)
)


def book(*headings: str) -> str:
    return "\n\n".join(f"{heading}\n\n{PROSE}" for heading in headings)


@pytest.mark.parametrize(
    ("contents", "headings"),
    [
        (
            "CONTENTS\n\nCHAPTER\nI. HOME\nII. AWAY\nIII. BACK",
            ("CHAPTER I.\n\nHOME", "CHAPTER II."),
        ),
        ("Table of Contents\n\nOne\n\nTwo\n\nThree", ("One", "Two", "Three")),
        (
            "Contents\n\nI. In which "
            + "much happens, and " * 9
            + "no end is seen\nII. More\nIII. Last",
            ("I.", "II.", "III."),
        ),
        (
            "CONTENTS\n\nCHAPTER I\n  How he went out and what he saw there of all\n  the world."
            "\n\nCHAPTER II\n  How he came home\n\nCHAPTER III\n  How it ended",
            ("CHAPTER I", "CHAPTER II", "CHAPTER III"),
        ),
        (
            "LIST OF ILLUSTRATIONS\n\n      PAGE\n\nA ship  1\n\nA dog\nwith a bone  2\n\nA cat  x",
            (),
        ),
        (
            "[Illustration: Contents]\n\nBOOK I\nCHAPTER I\nCHAPTER II\nBOOK II\nCHAPTER I",
            ("BOOK I\n\nCHAPTER I",),
        ),
        (
            "CONTENTS OF VOL. II.\n\nXXIII. STALHAM.\nXXIV. RUFFORD.\nXXV. AYALA.",
            ("CHAPTER XXIII.",),
        ),
        ("Contents\n\nThe Golden Bird\nHans in Luck\nThe Fox", ()),
    ],
)
def test_a_list_goes_and_the_book_stays(contents: str, headings: tuple[str, ...]) -> None:
    after = f"\n\n\nTo my mother,\nwho read it first\n\n\n\n{book(*headings)}{PROSE}"
    text, removed = strip_boilerplate(f"A TITLE\n\n\n{contents}{after}")
    assert text.split() == f"A TITLE {after}".split()
    assert [span.kind for span in removed] == ["contents"]


@pytest.mark.parametrize(
    "contents",
    [
        "CONTENTS\n\nI. Home\nII. Away\nIII. The End",
        "CONTENTS\n\n1. Home\n2. Away\n3. The End",
        "CONTENTS\n\nI. Home    1\nII. Away   20\nIII. The End   30",
        "CONTENTS\n\nCHAPTER I. Home\nCHAPTER II. Away\nCHAPTER III. The End",
        "CONTENTS\n\nI--Home\nII--Away\nIII--The End",
        "CONTENTS\n\nPreface\nI. Home\nII. Away\nIII. The End",
    ],
)
@pytest.mark.parametrize(
    "begin",
    [
        '"I--I did not see him," she said.\n\nThe man went.\n\nI--well, I never knew it.',
        "1. Rose early.\n\n2. Rain all day.\n\n3. A letter came.",
    ],
)
def test_a_list_with_numbers_ends_at_a_chapter_without_one(contents: str, begin: str) -> None:
    rest = f"HOME\n\n{begin}\n\n{book('AWAY', 'THE END')}"
    text, removed = strip_boilerplate(f"TITLE\n\n{contents}\n\n\n{rest}")
    assert text.split() == f"TITLE {rest}".split()
    assert [span.text.strip() for span in removed] == [contents]


def test_a_speech_is_no_number() -> None:
    rest = f'"I--I did not see him."\n\nI--well, I never knew it.\n\n{book("ONE", "TWO", "SIX")}'
    text, _ = strip_boilerplate(f"CONTENTS\n\n1. One\n2. Two\n3. Six\n\n\n{rest}")
    assert text.split() == rest.split()


def test_a_second_list_goes_too() -> None:
    contents = "CONTENTS\n\nI. HOME\nII. AWAY\nIII. BACK\n\n"
    lists = f"{contents}LIST OF ILLUSTRATIONS\n\n“A man”\n“A house”\n“A cat”"
    marks = "\n\n".join(f"[Illustration: “{what}”]" for what in ("A man", "A house", "A cat"))
    text, removed = strip_boilerplate(f"{lists}\n\n\n{book('I. HOME')}\n\n{marks}\n\n{PROSE}")
    assert text.split() == f"{book('I. HOME')} {PROSE}".split()
    assert [span.kind for span in removed][:2] == ["contents", "contents"]


def test_the_persons_of_a_play_stay() -> None:
    persons = "DRAMATIS PERSONAE\n\nHelmer.\nNora, his wife.\nA Porter.\n\n_[A room.]_"
    acts = book("ACT I", "NORA.", "ACT II", "HELMER.", "ACT III")
    text = strip_boilerplate(
        f"Contents\n\n ACT I.\n ACT II.\n ACT III.\n\n\n {persons}\n\n\n{acts}"
    )[0]
    assert text.split() == f"{persons} {acts}".split()


def test_a_word_in_a_speech_is_no_heading() -> None:
    answers = '"No."\n\n"Yes."\n\n"No."\n\n"Yes."'
    text = f'{PROSE}\n\n"What of its\ncontents?"\n\n{answers}\n\n{PROSE}\n\n"No."'
    assert strip_boilerplate(text) == (text, [])
