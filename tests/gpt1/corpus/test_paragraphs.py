import os
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from gpt1.corpus.paragraphs import unwrap
from tests.gpt1.corpus import marks


def paragraphs(seed: int) -> list[str]:
    """Prose as it is: sentences begin with a capital, most words do not."""
    random = Random(seed)
    words = "the quick brown fox said that nobody would come again to his".split()  # noqa: SIM905
    return [
        " ".join(
            " ".join(random.choices(words, k=random.randint(5, 20))).capitalize() + "."
            for _ in range(random.randint(2, 8))
        )
        for _ in range(40)
    ]


@pytest.mark.parametrize("width", [45, 60, 72, 90])
@pytest.mark.parametrize("gap", ["\n\n", "\n\n\n"])
def test_wrapped_paragraphs_become_one_line_each(width: int, gap: str) -> None:
    expected = paragraphs(1)
    assert unwrap(gap.join(textwrap.fill(p, width) for p in expected)) == "\n".join(expected)


def test_without_blank_lines_most_paragraphs_are_still_told_apart() -> None:
    expected = paragraphs(2)
    found = unwrap("\n".join(textwrap.fill(p, 70) for p in expected)).splitlines()
    assert len(set(found) & set(expected)) > 0.7 * len(expected)


def test_a_line_for_each_paragraph_stays_so() -> None:
    text = "\n".join(paragraphs(3))
    assert unwrap(text) == text
    assert unwrap(text.replace("\n", "\n\n")) == text


@pytest.mark.parametrize("capital", [str.lower, str.capitalize])
def test_one_sentence_a_line_as_in_bookcorpus_stays_so(capital: Callable[[str], str]) -> None:
    """Such a dump has sentences of 1 to 40 words, few of them cut after `mr .` or in a heading."""
    random = Random(12)
    words = "the quick brown fox said that nobody would come again to `` his ''".split()  # noqa: SIM905
    ends = [" .", " ?", " ! ''", " . )"] * 4 + [" and", ",", ""]
    sentences = [
        capital(" ".join(random.choices(words, k=random.randint(1, 40)))) + random.choice(ends)
        for _ in range(3000)
    ]
    for longest in (60, 110, 1000):  # the longest lines must not pass for a margin
        text = "\n".join(line for line in sentences if len(line) < longest)
        assert unwrap(text) == text


def test_verse_keeps_its_lines() -> None:
    verse = "Tyger Tyger, burning bright,\nIn the forests of the night;\nWhat immortal hand"
    prose = "\n\n".join(textwrap.fill(p, 70) for p in paragraphs(4))
    assert verse in unwrap(f"{prose}\n\n{verse}\n\n{prose}")


def test_a_wrapped_paragraph_in_a_book_that_is_not_wrapped_is_joined() -> None:
    long = paragraphs(5)
    assert unwrap("\n\n".join([*long, textwrap.fill(long[0], 70)])).splitlines()[-1] == long[0]


def test_a_hyphen_at_a_line_end_joins_without_a_space() -> None:
    text = "\n\n".join(textwrap.fill(p, 60) for p in paragraphs(6))
    assert "to-morrow" in unwrap(text + "\n\n" + "word " * 10 + "to-\nmorrow he came.")


def test_a_paragraph_goes_on_after_the_end_of_a_page() -> None:
    text = "He remembered that\n\n\n\nit was dark, and\n\nnever spoke.\n\nThen she came."
    assert unwrap(text) == "He remembered that it was dark, and never spoke.\nThen she came."


def test_a_ragged_margin_in_the_middle_of_a_sentence_is_no_paragraph() -> None:
    expected = paragraphs(7)
    wrapped = [textwrap.fill(p, 70) for p in expected]
    ragged = "I suppose that it was the most wicked thing of all that\nEdward ever said or did,"
    found = unwrap("\n\n".join([*wrapped, ragged + "\nand nobody would come again to him."]))
    assert found.splitlines()[-1].count("Edward") == 1
    assert len(found.splitlines()) == len(expected) + 1


RUN_ON = """VILLETTE.
CHAPTER I.
BRETTON.
My godmother lived in a handsome house in the clean and ancient
town, and her husband's family had been residents there.
When I was a girl I went there about twice a year, and well I
liked the visit. "Of what are these things the signs and tokens?"
"A second guest is coming," she answered, "and one who expects no
visitors. You will like her, and she will like you, I am sure.
That is, if she ever comes." I saw that it was as she had said it
would be. The whole night seemed to feel her and to know of her.
CHAPTER II. PAULINA.
"Only!" he echoed, and he looked at the letter again, for the
third time.
She turned away, and for that day I did not see her any more."""


def test_without_blank_lines_headings_and_speeches_tell_paragraphs_apart() -> None:
    before = "\n".join(textwrap.fill(p, 66) for p in paragraphs(11))
    found = unwrap(f"{before}\n{RUN_ON}").splitlines()[-9:]
    assert [line.split()[0] + " " + line.split()[-1] for line in found] == [
        "VILLETTE. VILLETTE.",
        "CHAPTER I.",
        "BRETTON. BRETTON.",
        "My there.",
        'When tokens?"',
        '"A her.',
        "CHAPTER PAULINA.",
        '"Only!" time.',
        "She more.",
    ]


def test_a_block_between_blank_lines_is_one_paragraph_unless_it_is_verse_or_a_list() -> None:
    prose = "\n\n".join(textwrap.fill(p, 66) for p in paragraphs(8))
    ragged = (
        "MARLEY was dead: to begin with. There is no doubt whatever,\nScrooge signed it. The "
        "clerk spoke.\nOut upon Christmas! What was it to him? Nobody knew it, and\nnobody cared."
    )
    said = '"It has been waiting," said the stranger.\n"My master has come."'
    kept = [
        "CHAPTER VI.\nPOOR PETER",
        "NORA.\nHide the Christmas tree carefully, Helen. Be sure that the\nchildren do not see "
        "it until this evening, when it is dressed and\nlit, and the lamps in the hall are out.",
        "Baseball and sports                                      4:30-5:00 a\n"
        "Practise poise and other things                          5:00-6:00 a\n"
        "Study needed inventions                                  7:00-9:00 a",
        "He thought he saw an Elephant,\n    That practised on a fife:\nHe looked again, and found",
        "   Chapter 1\n   Chapter 2\n   Chapter 3",
    ]
    found = unwrap("\n\n".join([prose, ragged, said, *kept, prose])).splitlines()
    assert ragged.replace("\n", " ") in found
    assert said.replace("\n", " ") in found
    for block in kept:
        first, second, *_ = map(str.strip, block.splitlines())
        assert first in found
        assert any(line.startswith(second) for line in found)


def test_verse_is_not_joined_with_the_sentence_after_it() -> None:
    prose = "\n\n".join(textwrap.fill(p, 66) for p in paragraphs(9))
    verse = "    That never would become that wife\n    That had once done amiss,"
    text = f"{prose}\n\n{verse}\n\nwhich she used to sing to her as a child.\n\n{prose}"
    assert "That had once done amiss,\nwhich she used" in unwrap(text)


def test_a_dash_at_a_line_end_keeps_its_space() -> None:
    prose = "\n\n".join(textwrap.fill(p, 66) for p in paragraphs(10))
    ends = (
        "whose eyes\nwere blue -\nthough even in boyhood--\nvery piercing, and well-\nmade he was."
    )
    found = unwrap(f"{prose}\n\n{ends}\n\n{prose}")
    assert "blue - though even in boyhood--very piercing, and well-made" in found


@pytest.mark.parametrize(
    "books",
    [
        pytest.param("pg|Villette|Kim|Madding", marks=pytest.mark.slow),
        pytest.param("", marks=pytest.mark.nightly),
    ],
)
def test_of_marked_line_ends_in_real_books_nearly_all_are_right(books: str) -> None:
    right = wrong = missed = 0
    for _, name, joined, ended in marks.line_ends():
        if not re.search(books, name):
            continue
        text = marks.book(name)
        found = marks.paragraph_ends(text, unwrap(text))
        right += len(found.intersection(ended))
        wrong += len(found.intersection(joined))
        missed += len(set(ended) - found)
    assert right / (right + wrong) > 0.99
    assert right / (right + missed) > 0.98


def test_of_a_wrapped_novel_few_lines_begin_in_lower_case() -> None:
    if not (data := os.environ.get("GPT1_REAL_DATA")):
        pytest.skip("GPT1_REAL_DATA is not set")
    for name in ("Kipling_Kim_1901", "Hardy_Madding_1874", "Corelli_Innocent_1914"):
        raw = (Path(data) / f"books/{name}.txt").read_bytes().decode("utf-8-sig")
        before, after = raw.splitlines(), unwrap(raw.replace("\r\n", "\n")).splitlines()
        assert sum(line[:1].islower() for line in before) > 5000
        assert sum(line[:1].islower() for line in after) < 0.05 * len(after), name
