import pytest

from gpt1.corpus.boilerplate import strip_boilerplate

PROSE = "\n\n".join(f"Sentence {n} stands here, as in a book that is printed." for n in range(400))


@pytest.mark.parametrize(
    ("notice", "kind"),
    [
        ("COPYRIGHT, 1850,\nBY A. AUTHOR", "notice"),
        ("Copyright, by\nA. Author", "notice"),
        ("Entered according to Act of Congress, in the year 1850, by A. AUTHOR", "notice"),
        ("PRINTED BY\nTURNBULL AND SPEARS,\nEDINBURGH", "notice"),
        ("CHISWICK PRESS:--CHARLES WHITTINGHAM AND CO.\nTOOKS COURT, LONDON.", "notice"),
        ("Printed in Great Britain at the University Press, Aberdeen", "notice"),
        ("First published in serial form in A Magazine", "notice"),
        ("Produced by A. Reader and the team", "credits"),
        ("Produced by an anonymous volunteer", "credits"),
        ("Produced by Tom, Dick, the Online Team, and their\nfriends.", "credits"),
        ("Other works by this author:\nThe First", "other books"),
        ("Also by A. Author\nThe First", "other books"),
        ("BY THE SAME AUTHOR\nThe First\nThe Second", "other books"),
        ("Transcriber's Note: Spelling was kept.", "transcriber's notes"),
        ("[Transcriber's Note: Spelling\n\nwas kept [sic].]", "transcriber's notes"),
    ],
)
def test_a_notice_goes_from_both_edges_and_stays_inside(notice: str, kind: str) -> None:
    first = strip_boilerplate(f"A TITLE\n\n{notice}\n\n{PROSE}")
    last = strip_boilerplate(f"{PROSE}\n\n{notice}\n")
    assert [span.kind for span in first[1]] == [kind] == [span.kind for span in last[1]]
    assert first[0].split() == f"A TITLE {PROSE}".split()
    assert last[0].strip() == PROSE
    inside = f"{PROSE}\n\n{notice}\n\n{PROSE}"
    assert strip_boilerplate(inside) == (inside, [])


@pytest.mark.parametrize(
    "sentence",
    [
        "Produced by the heat of the day, a haze lay over the fields.",
        "Printed in gold upon the door was the name of my father,\nwhich I read each day.",
        "Printed in London, the book came to me late in the year.",
        "Prepared by a night of prayer, he went to his death at dawn.",
        "Other books by his bed were burned.",
        "By the same author who wrote this letter she was deceived.",
        "Prepared by Martha in an idle hour, the dinner was cold.",
    ],
)
def test_a_sentence_that_begins_like_a_credit_stays(sentence: str) -> None:
    for text in (f"{sentence}\n\n{PROSE}", f"{PROSE}\n\n{sentence}"):
        assert strip_boilerplate(text) == (text, [])


def test_a_publisher_s_books_and_a_transcriber_s_notes_go_to_the_end() -> None:
    books = "\n\n".join(
        f"=Book {n}.= Illustrated. 16mo. $1.{n}0.\n\nA tale of the sea, for the young."
        for n in range(9)
    )
    notes = "Transcriber's Notes:\n\nOn page 9 a comma was added.\n\nOn page 10 one was removed."
    text, removed = strip_boilerplate(
        f"{PROSE}\n\nTHE END\n\n\nA. Author's Works\n\n{books}\n\n{notes}\n"
    )
    assert text.startswith(PROSE)
    assert text[len(PROSE) :].split() in ([], ["THE", "END"])
    assert [span.kind for span in removed] == ["other books", "transcriber's notes"]


def test_a_story_of_presses_and_prices_stays() -> None:
    prose = (
        "He owned a press in London, and held the copyright in it.\n\nIt cost $5, or 20s. a year."
    )
    for text in (f"{prose}\n\n{PROSE}", f"{PROSE}\n\n{prose}"):
        assert strip_boilerplate(text) == (text, [])
