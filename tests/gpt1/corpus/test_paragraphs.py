import os
import textwrap
from pathlib import Path
from random import Random

import pytest

from gpt1.corpus.paragraphs import unwrap


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


def test_of_a_wrapped_novel_few_lines_begin_in_lower_case() -> None:
    if not (data := os.environ.get("GPT1_REAL_DATA")):
        pytest.skip("GPT1_REAL_DATA is not set")
    for name in ("Kipling_Kim_1901", "Hardy_Madding_1874", "Corelli_Innocent_1914"):
        raw = (Path(data) / f"books/{name}.txt").read_bytes().decode("utf-8-sig")
        before, after = raw.splitlines(), unwrap(raw.replace("\r\n", "\n")).splitlines()
        assert sum(line[:1].islower() for line in before) > 5000
        assert sum(line[:1].islower() for line in after) < 0.05 * len(after), name
