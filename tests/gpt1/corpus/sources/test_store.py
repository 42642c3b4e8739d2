import hashlib
import json
from pathlib import Path

import pytest

from gpt1.corpus.sources import read_books, store_books
from gpt1.errors import UserError


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".txt").write_text(text)
    return folder


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").open(encoding="utf-8")]


def test_the_manifest_tells_the_fate_of_every_book(tmp_path: Path) -> None:
    source = tmp_path / "books"
    (source / "Sub").mkdir(parents=True)
    (source / "Sub/The Book.txt").write_text("Some caf\u00e9 words.")
    (source / "bad.txt").write_bytes(b"\0\1\2" * 99)
    out = tmp_path / "out"
    assert store_books(source, out) == {"books": 1, "dropped": 1, "bytes": 17}
    content = "Some caf\u00e9 words.".encode()
    assert rows(out)[0] == {
        "book": "sub-the-book",
        "origin": "Sub/The Book.txt",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": 17,
        "words": 3,
        "fate": "kept",
        "note": "",
        "left_out": "",
    }
    assert rows(out)[1]["fate"] == "binary"
    assert [path.name for path in (out / "books").iterdir()] == ["sub-the-book.txt"]
    assert (out / "books/sub-the-book.txt").read_bytes() == content


def test_books_of_one_name_are_all_kept(tmp_path: Path) -> None:
    source = write(tmp_path / "in", **{"A!": "one", "a__": "two", "a-2": "3"})
    (source / "a?.txt").write_text("two")
    store_books(source, tmp_path / "out")
    texts = [path.read_text() for path in (tmp_path / "out/books").iterdir()]
    assert sorted(texts) == ["3", "one", "two", "two"]


@pytest.mark.parametrize("kind", ["folder", "jsonl"])
def test_a_source_without_books_is_an_error(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "in"
    source.mkdir()
    if kind == "jsonl":
        (source / "a.jsonl").write_text("")
        text = f"address: {source}/*.jsonl\nformat: jsonl\ntext: text\n"
        source = source / "source.yaml"
        source.write_text(text)
    with pytest.raises(UserError, match="no books"):
        store_books(source, tmp_path / "out")


def tables(folder: Path) -> Path:
    """Two files of six rows each, one with a mark of origins in its name."""
    for name in ("a#1", "b"):
        lines = (json.dumps({"text": f"{name} {n}"}) for n in range(6))
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    source = folder / "source.yaml"
    source.write_text(f"address: {folder}/*.jsonl\nformat: jsonl\ntext: text\n")
    return source


@pytest.mark.parametrize("kind", ["folder", "tables"])
def test_a_folder_that_was_left_half_filled_is_filled_on(tmp_path: Path, kind: str) -> None:
    source = tables(tmp_path) if kind == "tables" else tmp_path / "in"
    if kind == "folder":
        write(source, **{f"a#{n}": f"text {n}" for n in range(12)})
    expected = store_books(source, tmp_path / "whole")
    manifest = (tmp_path / "whole/manifest.jsonl").read_bytes()
    for cut in range(0, len(manifest), 97):  # wherever it was killed
        half = tmp_path / f"half{cut}"
        (half / "books").mkdir(parents=True)
        (half / "manifest.jsonl").write_bytes(manifest[:cut])
        assert store_books(source, half) == expected
        assert (half / "manifest.jsonl").read_bytes() == manifest


def test_files_that_are_done_are_not_read_again(tmp_path: Path) -> None:
    names = [book.origin for book in read_books(tables(tmp_path), {"a%231.jsonl"})]
    assert names == [f"b.jsonl#{n}" for n in range(6)]


def test_names_that_climb_stay_in_the_folder(tmp_path: Path) -> None:
    source = tmp_path / "climbs.jsonl"
    source.write_text('{"book": "../../up.txt", "text": "1"}\n{"book": "...", "text": "2"}\n')
    path = tmp_path / "source.yaml"
    path.write_text(f"address: {source}\nformat: jsonl\ntext: text\nbook: book\n")
    store_books(path, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out/books").iterdir()} == {"up.txt", "book.txt"}
