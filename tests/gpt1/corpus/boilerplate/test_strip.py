import os
import re
from pathlib import Path

import pytest

from gpt1.corpus.boilerplate import strip_boilerplate
from tests.gpt1.corpus import marks

STORY = "\n\n".join(
    f"Paragraph {n} of the story, long enough to be prose indeed." for n in range(99)
)


def test_the_gutenberg_header_and_licence_go_and_are_kept_for_audit() -> None:
    header = "The Project Gutenberg eBook\n\n*** START OF THE PROJECT GUTENBERG EBOOK X ***"
    licence = "*** END OF THE PROJECT GUTENBERG EBOOK X ***\n\nSection 1. General Terms"
    text, removed = strip_boilerplate(f"{header}\n\n{STORY}\n\n{licence}\n")
    assert text == STORY
    assert [(span.kind, span.text.strip()) for span in removed] == [
        ("header", header),
        ("licence", licence),
    ]


def test_notices_credits_and_other_books_go_at_the_edges_only() -> None:
    notice = "Copyright (c) 2012 A. Author. All rights reserved.\n\n"
    also = "Also by A. Author\nThe First One\nThe Second One\n\n"
    text, removed = strip_boilerplate(notice + also + STORY)
    assert text == STORY
    assert [span.kind for span in removed] == ["notice", "other books"]
    middle = STORY + "\n\n" + notice + also + STORY
    assert strip_boilerplate(middle) == (middle, [])


def test_contents_go_until_the_first_chapter_comes_again() -> None:
    contents = "Contents\n\nI. The Start\nII. The End\n\n"
    text, removed = strip_boilerplate(contents + "I. The Start\n\n" + STORY)
    assert text == "I. The Start\n\n" + STORY
    assert [span.kind for span in removed] == ["contents"]


def test_contents_in_groups_go_whole_and_a_mere_word_takes_nothing() -> None:
    contents = (
        "Contents\n\n\nTHE FIRST DAY\n\nA story\n\n\nTHE SECOND DAY\n\nAnother\n\n\nLAST\n\n\n\n"
    )
    text = "\n\n".join(
        ["THE FIRST DAY", "A story", STORY, "THE SECOND DAY", "Another", STORY, "LAST", STORY]
    )
    assert strip_boilerplate(contents + text)[0] == text
    chapter = "Contents\nChapter 2\n\nAn Affair\n\n" + "He came by the lift. " * 9 + "\n\n" + STORY
    assert strip_boilerplate(chapter) == (chapter, [])


def test_the_author_goes_from_the_end() -> None:
    assert strip_boilerplate(STORY + "\n\nAbout the Author\n\nShe lives.")[0].strip() == STORY


def test_a_book_without_boilerplate_is_left_alone() -> None:
    assert strip_boilerplate(STORY) == (STORY, [])


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("pg64317", ["Once again", "Zelda", "Then wear the gold hat", "Thomas Parke d'Invilliers"]),
        ("pg2542", ["DRAMATIS PERSONAE", "Nora, his wife.", "A Porter.", "takes place in Helmer"]),
        ("pg37106", ["_Go then, my little Book", "Adapted from JOHN BUNYAN", "than this!"]),
        ("pg46", ["Their faithful Friend and Servant,", "God bless Us, Every One!"]),
    ],
)
def test_what_stands_at_the_edges_of_real_books_is_kept(name: str, kept: list[str]) -> None:
    text = strip_boilerplate(marks.book(name))[0]
    assert [each for each in kept if each not in text] == []
    assert not re.search(r"gutenberg|\[illustration|^\W*\]\W*$|16mo", text, re.IGNORECASE | re.M)


@pytest.mark.parametrize("what", ["contents", "illustrations"])
def test_marked_lists_and_illustrations_go_and_nothing_else(what: str) -> None:
    right = wrong = missed = 0
    for name, ranges in marks.spans(f"{what}.tsv"):
        text = marks.book(name)
        removed = strip_boilerplate(text)[1]
        found = marks.removed_lines(text, removed, {what.removesuffix("s"), what})
        true = marks.filled(text, ranges)
        right, missed = right + len(found & true), missed + len(true - found)
        if what == "contents":  # of illustrations a sample is marked
            wrong += len(found - true)
    assert right / (right + wrong) > 0.99
    assert right / (right + missed) > 0.99


def test_three_raw_gutenberg_files_are_stripped() -> None:
    if not (data := os.environ.get("GPT1_REAL_DATA")):
        pytest.skip("GPT1_REAL_DATA is not set")
    paths = sorted(Path(data).glob("books-gutenberg/*.txt"))
    assert len(paths) == 3
    for path in paths:
        raw = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        text, removed = strip_boilerplate(raw)
        assert "gutenberg" not in text.lower()
        assert {"header", "licence", "contents"} <= {span.kind for span in removed}
        assert len(text) > 0.8 * (path.stat().st_size - 25_000)
