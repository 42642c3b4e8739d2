import hashlib
import json
from pathlib import Path

from gpt1.corpus.sources import Book, store


def test_the_manifest_tells_the_fate_of_every_book(tmp_path: Path) -> None:
    books = [
        Book("Sub/The Book.txt", "Sub/The Book.txt", "Some caf\u00e9 words."),
        Book("bad.txt", "bad.txt", "", "binary"),
    ]
    counts = store(books, tmp_path)
    assert counts == {"books": 1, "dropped": 1, "bytes": 17}
    rows = [json.loads(line) for line in (tmp_path / "manifest.jsonl").open(encoding="utf-8")]
    content = "Some caf\u00e9 words.".encode()
    assert rows[0] == {
        "book": "sub-the-book",
        "origin": "Sub/The Book.txt",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": 17,
        "words": 3,
        "fate": "kept",
    }
    assert rows[1]["fate"] == "binary"
    assert [path.name for path in (tmp_path / "books").iterdir()] == ["sub-the-book.txt"]
    assert (tmp_path / "books/sub-the-book.txt").read_bytes() == content


def test_two_books_of_one_name_are_both_kept(tmp_path: Path) -> None:
    store([Book("A!.txt", "1", "one"), Book("a.epub", "2", "two"), Book("a-2", "3", "3")], tmp_path)
    texts = {path.stem: path.read_text() for path in (tmp_path / "books").iterdir()}
    assert texts == {"a": "one", "a-2": "two", "a-2-2": "3"}


def test_names_that_climb_stay_in_the_folder(tmp_path: Path) -> None:
    store([Book("../../up.txt", "1", "one"), Book("...", "2", "two")], tmp_path / "out")
    assert {path.name for path in (tmp_path / "out/books").iterdir()} == {"up.txt", "book.txt"}
