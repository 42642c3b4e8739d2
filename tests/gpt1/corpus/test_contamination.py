from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpt1.corpus.contamination import Overlap, drop_lines, find_overlaps
from gpt1.corpus.shingles import normal_words
from gpt1.tasks import table
from gpt1.tasks.table import Example, Task
from tests.gpt1.corpus.test_clean_corpus import prose

SAME = Task("mine", "classification", ("accuracy",), ("0", "1"))


def documents(folder: Path, books: dict[str, str]) -> Path:
    path = folder / "train.parquet"
    content = pa.table({"book": list(books), "text": list(books.values())})
    pq.write_table(content, path, row_group_size=1)
    return path


def tasked(folder: Path, *texts: str, pair: str | None = None) -> Path:
    path = folder / "mine.parquet"
    examples = [Example("train", str(n), text, pair, target=0) for n, text in enumerate(texts)]
    table.write_task(SAME, [*examples, Example("test", "x", "Too short to tell.")], path)
    return path


def test_a_shared_run_is_found_whatever_its_case_and_marks_with_its_text_and_lines(
    tmp_path: Path,
) -> None:
    shared = "It was the best of times, it was the worst of times; it was the age of wisdom."
    books = {"one": f"{prose(1)}\n{shared}\nThe end.", "two": prose(2)}
    line = len(prose(1).splitlines())
    task = tasked(tmp_path, f"He read: {shared.upper()!r}. Then he slept.", prose(3))
    overlaps = find_overlaps(task, documents(tmp_path, books))
    text = " ".join(normal_words(shared))
    assert overlaps.overlaps == [Overlap("train", "0", "one", line, line, text)]
    assert overlaps.summary() == {
        "train": {"examples": 2, "short": 0, "overlapping": 1},
        "test": {"examples": 1, "short": 1, "overlapping": 0},
    }


def test_a_changed_word_parts_a_stretch_and_every_book_that_has_it_is_named(tmp_path: Path) -> None:
    words = normal_words(prose(4))
    changed = [*words[:20], "zebra", *words[21:50]]
    path = documents(tmp_path, {"one": " ".join(words), "two": " ".join(words[:20])})
    found = find_overlaps(tasked(tmp_path, " ".join(changed)), path).overlaps
    stretches = [" ".join(words[:20]), " ".join(words[21:50])]
    assert sorted((overlap.book, overlap.text) for overlap in found) == sorted(
        [("one", stretches[0]), ("one", stretches[1]), ("two", stretches[0])]
    )


def test_twelve_words_in_common_are_none_and_two_texts_are_not_one(tmp_path: Path) -> None:
    words = normal_words(prose(5))
    task = tasked(tmp_path, " ".join(words[:12]), pair=" ".join(words[12:24]))
    assert find_overlaps(task, documents(tmp_path, {"one": prose(5)})).overlaps == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_every_shared_run_is_found_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    monkeypatch.setenv("GPT1_WORKERS", workers)
    random = Random(1)
    books = {f"b{n}": "\n".join(random.choices("a b c d".split(), k=900)) for n in range(3)}  # noqa: SIM905
    text = " ".join(random.choices("a b c d".split(), k=600))  # noqa: SIM905
    books["b1"] += "\n" + text[100:300].replace(" ", "\n")

    def grams(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[n : n + 13]) for n in range(len(words) - 12)}

    found = find_overlaps(tasked(tmp_path, text), documents(tmp_path, books)).overlaps
    for book, content in books.items():
        mine = [overlap for overlap in found if overlap.book == book]
        shared = set().union(*(grams(overlap.text) for overlap in mine))
        assert shared == grams(text) & grams(content)
        lines = content.splitlines()
        for overlap in mine:
            assert " ".join(lines[overlap.first_line : overlap.last_line + 1]) == overlap.text


def test_lines_that_overlap_are_left_out() -> None:
    assert drop_lines("a\nb\nc\nd\ne", [(1, 2), (2, 3)]) == "a\ne"
