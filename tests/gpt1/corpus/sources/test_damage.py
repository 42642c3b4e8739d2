"""Damaged and hostile files: each costs the books that it spoils, and no others."""

import bz2
import gzip
import io
import json
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpt1.corpus.sources import file, read_books, store_books
from gpt1.corpus.sources import page as pages
from tests.gpt1.corpus.sources.epubs import epub, xhtml

GOOD = b"A good book."
WORDS = "It was the best of times, it was the worst of times. " * 9


def zipped(
    members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = comment
    return out.getvalue()


def patched(content: bytes, name: str, central: int, local: int, value: bytes) -> bytes:
    """Write `value` into the two headers of a member, at their offsets."""
    out = bytearray(content)
    for signature, offset, size in ((b"PK\1\2", central, 46), (b"PK\3\4", local, 30)):
        start = 0
        while (start := out.find(signature, start)) >= 0:
            if out[start + size :].startswith(name.encode()):
                out[start + offset : start + offset + len(value)] = value
            start += 4
    return bytes(out)


def fates(folder: Path, name: str, content: bytes) -> dict[str, str]:
    """Origin -> the text or the reason, through the store and its manifest."""
    source = folder / "in"
    source.mkdir(parents=True, exist_ok=True)
    (source / name).write_bytes(content)
    (source / "other.txt").write_bytes(b"Another book.")
    store_books(source, folder / "out")
    rows = [json.loads(line) for line in (folder / "out/manifest.jsonl").open(encoding="utf-8")]
    found = {}
    for row in rows:
        path = folder / "out/books" / f"{row['book']}.txt"
        assert path.is_file() == (row["fate"] == "kept")
        assert "\n" not in row["fate"]
        found[row["origin"]] = path.read_text("utf-8") if path.is_file() else row["fate"]
    assert found.pop("other.txt") == "Another book."
    return found


BOOKS = {"bad.txt": WORDS.encode(), "good.txt": GOOD}
ENCRYPTED = patched(zipped(BOOKS), "bad.txt", 8, 6, b"\1\0")
STRONG = patched(zipped(BOOKS), "bad.txt", 8, 6, b"\x41\0")
METHOD = patched(zipped(BOOKS), "bad.txt", 10, 8, b"\x62\0")  # PPMd
PATCHED = patched(zipped(BOOKS), "bad.txt", 8, 6, b"\x20\0")
VERSION = patched(zipped(BOOKS), "bad.txt", 6, 4, b"\x63\0")


def corrupt(method: int) -> bytes:
    content = bytearray(zipped(BOOKS, method))
    start = content.index(b"bad.txt") + 7
    content[start + 12 : start + 24] = b"\xff" * 12
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (ENCRYPTED, "encrypted: it has a password"),
        (STRONG, "encrypted: it has a password"),
        (METHOD, "broken zip member: That compression method is not supported"),
        (PATCHED, "broken zip member: compressed patched data (flag bit 5)"),
        (corrupt(zipfile.ZIP_LZMA), "broken zip member: "),
        (corrupt(zipfile.ZIP_BZIP2), "broken zip member: "),
        (corrupt(zipfile.ZIP_DEFLATED), "broken zip member: "),
        (corrupt(zipfile.ZIP_STORED), "broken zip member: Bad CRC-32 for file 'bad.txt'"),
    ],
)
def test_a_bad_member_of_a_zip_file_costs_only_itself(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    found = fates(tmp_path, "a.zip", content)
    assert found["a.zip#good.txt"] == GOOD.decode()
    assert found["a.zip#bad.txt"].startswith(reason)
    assert len(found) == 2


def test_a_version_above_python_s_costs_nothing(tmp_path: Path) -> None:
    found = fates(tmp_path, "a.zip", VERSION)
    assert found == {"a.zip#bad.txt": WORDS, "a.zip#good.txt": GOOD.decode()}


def test_a_member_without_a_name_costs_nothing(tmp_path: Path) -> None:
    content = zipped(BOOKS).replace(b"bad.txt", b"\0ad.txt")
    assert fates(tmp_path, "a.zip", content) == {"a.zip#good.txt": GOOD.decode()}


def test_an_epub_with_a_password_or_an_unknown_method_is_told(tmp_path: Path) -> None:
    content = epub({"a": xhtml("<p>a</p>")})
    for number, (name, central, local, value, reason) in enumerate(
        [
            ("META-INF", 8, 6, b"\1\0", "encrypted: it has a password"),
            ("OPS/a", 8, 6, b"\1\0", "OPS/a.xhtml: encrypted: it has a password"),
            ("OPS/book", 10, 8, b"\x62\0", "That compression method is not supported"),
        ]
    ):
        found = fates(
            tmp_path / str(number), "a.epub", patched(content, name, central, local, value)
        )
        assert found["a.epub"].endswith(reason)


def test_names_that_are_not_utf_8_are_told(tmp_path: Path) -> None:
    """In the folder, in tar archives and in zip files, of which one says that its names are."""
    source = tmp_path / "in"
    source.mkdir()
    try:
        (source / "caf\udce9.txt").write_bytes(GOOD)
    except OSError:  # a file system of UTF-8 alone
        (source / "caf%E9.txt").write_bytes(GOOD)
    with tarfile.open(source / "a.tar", "w", errors="surrogateescape") as archive:
        for name in ("caf\udce9.txt", "b.txt"):
            member = tarfile.TarInfo(name)
            member.size = len(GOOD)
            archive.addfile(member, io.BytesIO(GOOD))
    false = zipped({"caf\u00e9.txt": GOOD, "b.txt": GOOD}).replace("\u00e9".encode(), b"\xe9_")
    (source / "a.zip").write_bytes(false)
    (source / "b.zip").write_bytes(false.replace(b"\x14\0\0\x08", b"\x14\0\0\0"))
    (source / "a.epub").write_bytes(
        epub({"caf\u00e9": "<p/>", "b": "<p>b</p>"}).replace("caf\u00e9".encode(), b"caf\xe9_")
    )
    counts = store_books(source, tmp_path / "out")
    assert (counts["books"], counts["dropped"]) == (8, 0)
    text = (tmp_path / "out/manifest.jsonl").read_text("utf-8")
    origins = [json.loads(line)["origin"] for line in text.splitlines()]
    assert origins == [
        "a.epub",
        "a.tar#caf%E9.txt",
        "a.tar#b.txt",
        "a.zip#caf\u0398_.txt",
        "a.zip#b.txt",
        "b.zip#caf\u0398_.txt",
        "b.zip#b.txt",
        "caf%E9.txt",
    ]
    for cut in (len(text), len(text) // 2, len(text) - 9):  # the names are found again
        half = tmp_path / f"half{cut}"
        (half / "books").mkdir(parents=True)
        (half / "manifest.jsonl").write_bytes(text.encode()[:cut])
        assert store_books(source, half) == counts
        assert (half / "manifest.jsonl").read_text("utf-8") == text


def test_names_longer_than_file_systems_allow(tmp_path: Path) -> None:
    name = "\u6f22" * 200  # 600 bytes
    members = {f"{name}.txt": GOOD, f"{name}\u6f22.txt": GOOD, "a" * 400 + ".txt": GOOD}
    assert list(fates(tmp_path, "a.zip", zipped(members)).values()) == [GOOD.decode()] * 3


def test_lone_surrogates_are_replaced_and_pairs_joined(tmp_path: Path) -> None:
    rows = [
        {"title": "A\ud800Z", "text": f"one \udc00 two. {WORDS}"},
        {"title": "\udce9", "text": "\ud83d\ude00 smiles."},
        {"title": "\ud83d\ude00", "text": "a"},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = tmp_path / "source.yaml"
    source.write_text(f"address: {tmp_path}/a.jsonl\nformat: jsonl\ntext: text\nbook: title\n")
    assert [(book.name, book.text) for book in read_books(source)] == [
        ("A\ufffdZ", f"one \ufffd two. {WORDS}"),
        ("\ufffd", "\U0001f600 smiles."),
        ("\U0001f600", "a"),
    ]
    assert store_books(source, tmp_path / "out")["books"] == 3


def test_many_replacement_characters_are_told_with_the_encodings_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = "replacement characters: {} % of the text; tried "
    found = fates(tmp_path, "a.txt", b"\xff\xfe" + b"\0\xd8a\0" * 99)
    assert found == {"a.txt": spoilt.format("50.0") + "utf-16-le"}
    assert "a.txt: dropped: replacement characters: 50.0 %" in capsys.readouterr().err
    found = fates(tmp_path / "b", "a.txt", b"\x81\x8d \xe9a\n" * 99)
    assert found == {"a.txt": spoilt.format("33.3") + "utf-8, cp1252"}
    found = fates(tmp_path / "c", "a.txt", "Spoilt before: \ufffd\ufffd".encode())
    assert found == {"a.txt": spoilt.format("11.8") + "utf-8"}
    page = b"<?xml version='1.0' encoding='EUC-JP'?><p>" + b"\xa4\xa2\xff" * 99 + b"</p>"
    found = fates(tmp_path / "d", "a.epub", epub({"a": page}))
    assert found == {"a.epub": spoilt.format("50.0") + "utf-8, euc_jp"}
    (tmp_path / "a.csv").write_bytes("title,text\na,\xe9\xe9\xe9\n".encode("cp1252"))
    source = tmp_path / "source.yaml"
    source.write_text(f"address: {tmp_path}/a.csv\nformat: csv\ntext: text\n")
    assert [book.reason for book in read_books(source)] == [spoilt.format("100.0") + "utf-8"]


def test_a_few_replacement_characters_are_noted(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(f"\u2014{WORDS}\u2014".encode() + b"\xe9")
    (book,) = read_books(tmp_path)
    assert (book.reason, book.note) == ("", "replacement characters: 1 (tried utf-8)")


def tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def test_a_tar_archive_is_read_past_a_damaged_header(tmp_path: Path) -> None:
    content = bytearray(tar({"a.txt": GOOD, "bad.txt": GOOD, "c.txt": GOOD}))
    content[1024 + 5] ^= 1
    assert fates(tmp_path, "a.tar", bytes(content)) == {
        "a.tar#a.txt": GOOD.decode(),
        "a.tar#c.txt": GOOD.decode(),
        "a.tar": "broken archive: the header of a member is damaged",
    }


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_tar_archive_that_breaks_off_keeps_the_books_before(tmp_path: Path, suffix: str) -> None:
    import lzma

    noise = random.Random(0).randbytes(300_000)
    content = tar({"a.txt": GOOD, "b.txt": noise.hex().encode(), "c.txt": GOOD})
    pack = {"tar.gz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}
    content = pack.get(suffix, bytes)(content)
    found = fates(tmp_path, f"a.{suffix}", content[: len(content) // 2])
    assert f"a.{suffix}" in found or found[f"a.{suffix}#b.txt"].startswith("broken tar member")
    assert f"a.{suffix}#c.txt" not in found
    if suffix in ("tar", "tar.gz"):  # the others are unpacked in larger blocks
        assert found[f"a.{suffix}#a.txt"] == GOOD.decode()


def test_an_archive_without_books_is_told(tmp_path: Path) -> None:
    assert fates(tmp_path, "a.zip", zipped({"a.html": b"a"})) == {
        "a.zip": "no books inside: none of .txt, .txt.gz, .epub"
    }
    assert "no books inside" in fates(tmp_path / "b", "a.tar", tar({}))["a.tar"]


def test_a_text_without_words_is_told(tmp_path: Path) -> None:
    assert fates(tmp_path, "a.txt", b" \n") == {"a.txt": "no text"}


def test_a_name_in_a_message_cannot_write_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fates(tmp_path, "a.zip", zipped({"a\x1b[2J\n.txt": b""}))
    assert capsys.readouterr().err == "a.zip#a?[2J?.txt: dropped: no text\n"


def test_an_error_of_our_own_is_no_fault_of_a_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise TypeError("ours")

    (tmp_path / "a.epub").write_bytes(epub({"a": xhtml("<p>a</p>")}))
    monkeypatch.setattr(pages, "_marker", broken)
    with pytest.raises(TypeError, match="ours"):
        list(read_books(tmp_path))


WHOLE = {
    "a.epub": epub({"a": xhtml(f"<p>{WORDS}</p>"), "b": f"<p>b<br>{WORDS}"}),
    "a.zip": zipped(BOOKS),
    "b.zip": zipped(BOOKS, zipfile.ZIP_LZMA, b"comment"),
    "c.zip": zipped({"a.epub": epub({"\u00e9": "<p>a</p>"}), "\u00e9.txt": GOOD}, 0),
    "a.tar": tar({"bad.txt": WORDS.encode(), "good.txt": GOOD}),
    "a.tar.gz": gzip.compress(tar(BOOKS)),
    "a.txt.gz": gzip.compress(WORDS.encode()),
    "a.txt": WORDS.encode(),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage")


def check(folder: Path, name: str, content: bytes) -> None:
    """Every book has a text or a reason, both of which can be written."""
    path = folder / name
    path.write_bytes(content)
    books = list(read_books(path))
    assert books
    for book in books:
        assert bool(book.text) != bool(book.reason)
        assert "\n" not in f"{book.reason}{book.note}"
        f"{book.name}{book.origin}{book.text}{book.reason}{book.note}".encode()


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(sorted(WHOLE)), data=st.data())
def test_no_damage_raises(folder: Path, name: str, data: st.DataObject) -> None:
    content = bytearray(WHOLE[name])
    places = st.integers(0, len(content) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        content[place] = byte
    cut = data.draw(st.one_of(st.just(len(content)), places))
    check(folder, name, bytes(content[:cut]))


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(sorted(WHOLE)), content=st.binary(max_size=2000))
def test_no_bytes_raise(folder: Path, name: str, content: bytes) -> None:
    check(folder, name, content)


TAGS = ["<p>", "</p>", "<a href='#n'>", "</a>", "<sup>", "</sup>", "<rt>", "<td>", "<!--", "-->"]
TAGS += ["<![CDATA[", "]]>", "&nbsp;", "&#0;", "&#xD800;", "&bad;", "<?x", "<br/>", "<title/>"]
TAGS += ["<!DOCTYPE a [<!ENTITY b '&c;'>]>", "1", " ", "\x0b", "\ufffe", "<e:f", "a='", ">", "<"]


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(TAGS), max_size=30).map("".join))
def test_no_page_raises(markup: str) -> None:
    file.read_file("a.epub", "a.epub", lambda: epub({"a": markup, "b": xhtml(markup)}))
