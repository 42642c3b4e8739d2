import gzip
import io
import json
import os
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

from gpt1.corpus.sources import book, read_books, store_books
from gpt1.corpus.sources.book import GUESSED
from gpt1.errors import UserError
from tests.gpt1.corpus.sources.epubs import epub

TEXT = "\u201cCaf\u00e9,\u201d he said \u2014 twice.\n" * 9


def found(path: Path) -> dict[str, str]:
    """Name -> the text, or the reason in brackets."""
    return {b.name: b.text or f"[{b.reason}]" for b in read_books(path)}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_text_in_any_encoding_one_meets_is_decoded(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT.encode(encoding))
    assert found(tmp_path) == {"a.txt": TEXT}


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman", "cp437", "cp1251"])
def test_a_guessed_encoding_is_told_with_the_file_and_in_the_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], encoding: str
) -> None:
    text = "\u041f\u0440\u0438\u0432\u0435\u0442.\n" if encoding == "cp1251" else "Caf\u00e9.\n"
    (tmp_path / "books").mkdir()
    (tmp_path / "books/b.txt").write_bytes((text * 9).encode(encoding))
    (tmp_path / "books/plain.txt").write_text(text * 9)
    pages = {"one": f"<html><body><p>{text * 9}</p></body></html>"}
    (tmp_path / "books/declared.epub").write_bytes(epub(pages, ["one"]))
    store_books(tmp_path / "books", tmp_path / "out")
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"b.txt: kept, but {GUESSED}"
    rows = map(json.loads, (tmp_path / "out/manifest.jsonl").read_text().splitlines())
    assert {row["origin"]: row["note"] for row in rows} == {
        "b.txt": GUESSED,
        "declared.epub": "",
        "plain.txt": "",
    }


def test_a_folder_is_read_to_any_depth_by_name(tmp_path: Path) -> None:
    (tmp_path / "sub/deep").mkdir(parents=True)
    (tmp_path / "b.txt").write_text("b")
    (tmp_path / "sub/deep/a.txt.gz").write_bytes(gzip.compress(b"a"))
    (tmp_path / "notes.md").write_text("no book")
    assert list(found(tmp_path).items()) == [("b.txt", "b"), ("sub/deep/a.txt.gz", "a")]


def test_an_epub_gives_its_text_in_reading_order(tmp_path: Path) -> None:
    pages = {
        "two": "<html><head><title>T</title></head><body><p>Second.</p></body></html>",
        "one": "<html><body><h1>One</h1><p>It <i>is</i>\n so&#160;&amp; well.</p><p>B.<br/>C.</p>"
        "<script>no</script></body></html>",
    }
    (tmp_path / "a.epub").write_bytes(epub(pages, ["one", "two"]))
    assert found(tmp_path) == {"a.epub": "One\nIt is so & well.\nB.\nC.\n\nSecond."}


def test_archives_are_read_and_nothing_leaves_them(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    with tarfile.open(inside / "a.tar.gz", "w:gz") as archive:
        for name in ("../../climbs.txt", "/root.txt", "plain.txt"):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"text"))
    with zipfile.ZipFile(inside / "b.zip", "w") as archive:
        archive.writestr("../climbs.txt", "text")
    before = sorted(tmp_path.rglob("*"))
    assert list(found(inside).values()) == ["text"] * 4
    assert sorted(tmp_path.rglob("*")) == before
    assert found(inside / "b.zip") == {"b.zip/../climbs.txt": "text"}


def test_one_bad_book_never_costs_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "MAX_BYTES", 100_000)
    (tmp_path / "binary.txt").write_bytes(os.urandom(5000))
    (tmp_path / "nul.txt").write_bytes(b"text\0\0\0\0text" * 50)
    (tmp_path / "marked.txt").write_bytes("\ufeffone\0word".encode() * 50)
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(os.urandom(5000))[:-100])
    (tmp_path / "bomb.txt.gz").write_bytes(gzip.compress(b"a" * 10_000_000))
    (tmp_path / "line.txt").write_bytes(b"a" * 200_000)
    (tmp_path / "cut.epub").write_bytes(epub({"a": "<p>a</p>"}, ["a"])[:-30])
    (tmp_path / "lost.epub").write_bytes(epub({"a": "<p>a</p>"}, ["b"]))
    (tmp_path / "cut.zip").write_bytes(b"PK no zip")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"a" * 10_000_000)
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "good.txt").write_text("good")
    reasons = found(tmp_path)
    assert reasons.pop("good.txt") == "good"
    assert {name: text.split(";")[0].split(":")[0] for name, text in reasons.items()} == {
        "binary.txt": "[binary]",
        "nul.txt": "[binary]",
        "marked.txt": "[binary]",
        "cut.txt.gz": "[broken gzip",
        "bomb.txt.gz": "[over 0 MB",
        "line.txt": "[over 0 MB",
        "cut.epub": "[broken EPUB",
        "lost.epub": "[broken EPUB",
        "cut.zip": "[broken archive",
        "bomb.zip/a.txt": "[over 0 MB",
        "gone.txt": "[no file]",
    }


def test_a_few_broken_bytes_leave_the_rest_of_a_text_whole(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT.encode() + b"\xff\xfe" + TEXT.encode())
    assert found(tmp_path) == {"a.txt": f"{TEXT}\ufffd\ufffd{TEXT}"}


def test_links_in_a_ring_end(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.txt").write_text("a")
    (tmp_path / "sub/up").symlink_to(tmp_path)
    assert list(found(tmp_path).values()) == ["a"]


def test_a_folder_without_books_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no books here"):
        list(read_books(tmp_path))
    with pytest.raises(UserError, match="raw\\.path"):
        read_books(tmp_path / "nowhere")


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_folder_that_may_not_be_read_is_one_line() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").mkdir(mode=0)
        user = os.geteuid()
        if user == 0:  # who may read every folder
            os.seteuid(65534)
        try:
            with pytest.raises(UserError, match=r"closed: .*; make it readable"):
                list(read_books(folder))
        finally:
            os.seteuid(user)


def test_what_is_packed_or_unpacked_otherwise_is_told(tmp_path: Path) -> None:
    """Archives inside archives, and EPUBs as folders, in a folder and in an archive."""
    for name in ("a.epub/META-INF/container.xml", "a.epub/notes.txt", "b.epub/good.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("good")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        for name in ("d.tar.gz", "e.ZIP", "f.epub/META-INF/container.xml", "f.epub/mimetype"):
            archive.writestr(name, "")
    assert len(list(read_books(tmp_path))) == 5
    unpacked = "[an EPUB unpacked to a folder is not read; zip what is in it]"
    nested = "[an archive inside an archive is not read; unpack it]"
    assert found(tmp_path) == {
        "a.epub": unpacked,
        "b.epub/good.txt": "good",
        "c.zip/d.tar.gz": nested,
        "c.zip/e.ZIP": nested,
        "c.zip/f.epub": unpacked,
    }
