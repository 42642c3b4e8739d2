import json
import os
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest

from gpt1.corpus.clean_corpus import clean_corpus
from gpt1.corpus.shingles import jaccard, minhash, shingles
from gpt1.errors import UserError
from gpt1.params import Clean

PARAMS = Clean(
    seed=1,
    valid_fraction=0.25,
    min_words=1,
    language="",
    similar_books=0.8,
    similar_passages=0.8,
)


def clean(raw: Path, out: Path, params: Clean) -> None:
    clean_corpus(raw, out, params, out.with_name(f"{out.name}.work"))


def raw(folder: Path, books: dict[str, str]) -> Path:
    (folder / "raw/books").mkdir(parents=True)
    for book, text in books.items():
        (folder / f"raw/books/{book}.txt").write_text(text)
    (folder / "raw/manifest.jsonl").write_text(
        json.dumps({"book": "unread", "fate": "broken gzip"}) + "\n"
    )
    return folder / "raw"


def prose(seed: int, words: int = 400) -> str:
    """Paragraphs of made-up English, no two alike."""
    random = Random(seed)
    names = ["".join(random.choices("aeioulmnrst", k=random.randint(2, 8))) for _ in range(150)]
    lines = []
    while words > 0:
        count = random.randint(20, 60)
        words -= count
        lines.append(" ".join(random.choices(names, k=count)).capitalize() + ".")
    return "\n".join(lines)


def dropped(folder: Path) -> dict[str, str]:
    table = pd.read_parquet(folder / "dropped.parquet")
    found = dict(zip(table.book, table.reason, strict=True))
    assert found.pop("unread") == "broken gzip"  # as the manifest says
    return found


def splits(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.read_parquet(folder / "train.parquet"), pd.read_parquet(folder / "valid.parquet")


def test_a_book_is_in_one_split(tmp_path: Path) -> None:
    books = {f"b{n}": f"Book {n} &amp; {prose(n)}\n" for n in range(8)}
    clean(raw(tmp_path, books), tmp_path / "out", PARAMS)
    train, valid = splits(tmp_path / "out")
    assert (len(train), len(valid)) == (6, 2)
    assert sorted([*train.book, *valid.book]) == sorted(books)
    assert all(text.startswith("Book ") and " & " in text for text in valid.text)


def test_one_book_is_split_by_passage_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    lines = [f"Line {n} of the only book." for n in range(400)]
    clean(raw(tmp_path, {"only": "\n".join(lines)}), tmp_path / "out", PARAMS)
    train, valid = splits(tmp_path / "out")
    assert "passages are held out" in capsys.readouterr().err
    held = [line for text in valid.text for line in text.splitlines()]
    kept = [line for text in train.text for line in text.splitlines()]
    assert sorted(held + kept) == sorted(lines)
    assert len(held) == pytest.approx(100, abs=15)


def test_books_that_are_none_are_dropped_with_the_reason(tmp_path: Path) -> None:
    good = {f"good{n}": prose(n) for n in range(4)}
    bad = {
        "empty": " \n",
        "binary": prose(7) + "\0\ufffd" * 100,
        "brief": "Too short.",
        "numbers": "12 345 6789 " * 200,
        "cut": prose(8) + "\nAnd so it was that he went to the door and",
    }
    clean(raw(tmp_path, good | bad), tmp_path / "out", replace(PARAMS, min_words=50))
    reasons = ["no words", "few letters", "short", "few letters", "truncated"]
    found = dropped(tmp_path / "out")
    assert found == dict(zip(bad, reasons, strict=True)) | {"binary": found["binary"]}
    train, valid = splits(tmp_path / "out")
    assert {*train.book, *valid.book} == set(good)


def test_other_languages_are_dropped(tmp_path: Path) -> None:
    english = "It was the best of times, it was the worst of times, and nobody knew why. "
    german = "Es war einmal eine kleine susse Dirne, die hatte jedermann lieb, der sie sah. "
    books = {"one": english * 9, "two": english[::1] * 3 + prose(1, 9), "drei": german * 9}
    clean(raw(tmp_path, books), tmp_path / "out", replace(PARAMS, language="en"))
    assert dropped(tmp_path / "out")["drei"] == "language"


def test_of_equal_and_nearly_equal_books_the_longest_stays(tmp_path: Path) -> None:
    text = prose(1, 4000)
    books = {
        "a": text.upper(),
        "b": text + "\nThe end.",
        "c": text[200:],
        "d": prose(2, 4000),
        "e": prose(2, 4000).replace(".", "!"),
    }
    clean(raw(tmp_path, books), tmp_path / "out", PARAMS)
    assert dropped(tmp_path / "out") == {
        "a": "near duplicate",
        "c": "near duplicate",
        "e": "duplicate",
    }
    table = pd.read_parquet(tmp_path / "out/dropped.parquet").set_index("book").drop("unread")
    assert dict(table.same_as) == {"a": "b", "c": "b", "e": "d"}
    assert (table.similarity > 0.8).all()


def test_a_story_that_stands_in_a_longer_anthology_is_cut_and_kept_for_audit(
    tmp_path: Path,
) -> None:
    story = prose(5, 6000)
    books = {
        "anthology": "\n".join([prose(1, 9000), story, prose(2, 3000)]),
        "small": "\n".join([prose(3, 3000), story, prose(4, 3000)]),
        "other": prose(6, 5000),
    }
    clean(raw(tmp_path, books), tmp_path / "out", PARAMS)
    train, valid = splits(tmp_path / "out")
    texts = dict(zip([*train.book, *valid.book], [*train.text, *valid.text], strict=True))
    assert texts["anthology"] == books["anthology"]
    left = sum(line in texts["small"] for line in story.splitlines())
    assert left < 0.25 * len(story.splitlines())
    assert all(line in texts["small"] for line in prose(4, 3000).splitlines()[10:])
    removed = pd.read_parquet(tmp_path / "out/removed.parquet")
    assert set(removed.kind) == {"also in anthology"}
    assert len(removed.text.sum()) + len(texts["small"]) == pytest.approx(
        len(books["small"]), abs=3
    )


def test_what_a_book_says_twice_stays(tmp_path: Path) -> None:
    books = {"twice": "\n".join([prose(5, 3000)] * 2), "other": prose(6, 3000), "third": prose(7)}
    clean(raw(tmp_path, books), tmp_path / "out", PARAMS)
    train, valid = splits(tmp_path / "out")
    texts = dict(zip([*train.book, *valid.book], [*train.text, *valid.text], strict=True))
    assert texts["twice"] == books["twice"]


def test_the_data_card_says_what_went_and_why(tmp_path: Path) -> None:
    books = {f"b{n}": prose(n) for n in range(4)} | {"same": prose(1), "empty": "\n"}
    clean(raw(tmp_path, books), tmp_path / "out", PARAMS)
    card = (tmp_path / "out/card.md").read_text()
    assert "| raw | 6 |" in card
    assert "| kept | 4 |" in card
    assert "| no words | 1 | 0 |" in card
    assert "| b1 | same (1.00) |" in card
    page = (tmp_path / "out/card.html").read_text()
    assert page.count('src="data:image/png') == card.count(".png)") == 5
    assert "http" not in page.replace("http://www.w3.org", "")


def test_nothing_left_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no book is kept"):
        clean(raw(tmp_path, {"a": "12 34"}), tmp_path / "out", PARAMS)


@pytest.mark.slow
def test_any_number_of_workers_writes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = {f"b{n}": prose(n % 5, 900) + f"\n{n}" for n in range(7)}
    folder = raw(tmp_path, books)
    for workers in "12":
        monkeypatch.setenv("GPT1_WORKERS", workers)
        clean(folder, tmp_path / workers, PARAMS)
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert {"train.parquet", "card.html", "steps.png"} <= set(names)
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_a_minhash_estimates_the_true_similarity() -> None:
    words = prose(1, 5000).split()
    one, other = shingles(words[:4000]), shingles(words[500:])
    brute = [
        {tuple(part[n : n + 13]) for n in range(len(part) - 12)}
        for part in (words[:4000], words[500:])
    ]
    true = len(brute[0] & brute[1]) / len(brute[0] | brute[1])
    assert jaccard(one, other) == pytest.approx(true)
    assert np.mean(minhash(one) == minhash(other)) == pytest.approx(true, abs=0.12)


@pytest.mark.parametrize("every", [30, pytest.param(6, marks=pytest.mark.nightly)])
def test_real_books_go_through(tmp_path: Path, every: int) -> None:
    if not (data := os.environ.get("GPT1_REAL_DATA")):
        pytest.skip("GPT1_REAL_DATA is not set")
    paths = sorted(Path(data).glob("books*/*.txt"))[::every]
    books = {path.stem: path.read_bytes().decode("utf-8-sig") for path in paths}
    books["again"] = next(iter(books.values()))[1000:]
    clean(raw(tmp_path, books), tmp_path / "out", replace(PARAMS, language="en"))
    assert dropped(tmp_path / "out") == {"again": "near duplicate"}


def test_a_book_with_words_that_are_cut_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    books = {f"b{n}": f"{prose(n)}\n" for n in range(4)} | {"long": f"{prose(9)}\n{'_' * 257}\n"}
    clean(raw(tmp_path, books), tmp_path / "out", PARAMS)
    [said] = [line for line in capsys.readouterr().err.splitlines() if "words of more" in line]
    assert said.endswith("long: the tokenizer cuts 1 words of more than 256 characters")
