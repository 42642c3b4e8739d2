"""Raw books to clean documents in train and valid, with what was dropped and a data card."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from gpt1.corpus.card import Card
from gpt1.corpus.clean_book import CleanedBook, clean_book, split_passages
from gpt1.corpus.duplicates import find_duplicates
from gpt1.corpus.shingles import jaccard, normal_words, shingles
from gpt1.corpus.split import choose_validation, split_by_passage
from gpt1.errors import UserError
from gpt1.params import Clean
from gpt1.workers import map_to_files

DOCUMENTS = pa.schema([("book", pa.string()), ("text", pa.string())])
DROPPED = pa.schema(
    [
        ("book", pa.string()),
        ("reason", pa.string()),
        ("words", pa.int64()),
        ("same_as", pa.string()),
        ("similarity", pa.float64()),
    ]
)
REMOVED = pa.schema([("book", pa.string()), ("kind", pa.string()), ("text", pa.string())])


def clean_corpus(raw: Path, out: Path, params: Clean, work: Path) -> Card:
    """Clean the books in the folder `raw`, remove duplicates, split, and write to the folder `out`:

    - `train.parquet`, `valid.parquet` (book, text): a row a document, in it a line a paragraph;
    - `dropped.parquet`: the books that were dropped, and why;
    - `removed.parquet`: every span that was cut out of a book;
    - `card.md`, `card.html`, `card.json`: the data card.

    The folder `work` keeps each cleaned book, so that a run after a kill continues there.
    Raises UserError when no book is kept.
    """
    paths = sorted((raw.resolve() / "books").glob("*.txt"))
    with (raw / "manifest.jsonl").open(encoding="utf-8") as lines:
        unreadable = [row for row in map(json.loads, lines) if row["fate"] != "kept"]
    if not paths:
        raise UserError(f"{raw}: no book could be read; manifest.jsonl says why")
    out.mkdir(parents=True, exist_ok=True)
    card = Card(params)
    with (
        pq.ParquetWriter(out / "removed.parquet", REMOVED) as removed,
        pq.ParquetWriter(out / "dropped.parquet", DROPPED) as dropped,
    ):
        books, texts = _clean_books(paths, work / "books", params, card, removed)
        to_drop = _books_to_drop(books, texts, params)
        for row in [*map(_unreadable_row, unreadable), *to_drop.values()]:
            _write(dropped, DROPPED, [row])
            card.add_dropped(row)
        kept = [book for book in books if book.book not in to_drop]
        if not kept:
            raise UserError(
                f"{raw}: no book is kept ({card.drop_counts()}); "
                "relax the section clean of params.yaml"
            )
        to_cut = _passages_to_cut(kept, texts, params, work / "bands")
        with (
            pq.ParquetWriter(out / "train.parquet", DOCUMENTS) as train,
            pq.ParquetWriter(out / "valid.parquet", DOCUMENTS) as valid,
        ):
            cut_texts = (
                (book.book, _cut(book.book, texts, to_cut.get(book.book, {}), removed, card))
                for book in kept
            )
            for book, text, is_valid in _split(cut_texts, [book.book for book in kept], params):
                file = valid if is_valid else train
                _write(file, DOCUMENTS, [{"book": book, "text": text}])
                card.add_document("valid" if is_valid else "train", text)
    card.save(out)
    return card


def _clean_books(
    paths: list[Path], folder: Path, params: Clean, card: Card, removed: pq.ParquetWriter
) -> tuple[list[CleanedBook], "_Texts"]:
    """Clean the books in parallel; return them without their texts, which stay in `folder`."""
    books, texts = [], _Texts()
    size = sum(path.stat().st_size for path in paths)
    files = map_to_files(partial(_clean_to_file, params=params), paths, folder, size)
    for file in tqdm(files, total=len(paths), desc="clean", unit="books"):
        book = CleanedBook.load(file)
        _write(
            removed,
            REMOVED,
            [{"book": book.book, "kind": span.kind, "text": span.text} for span in book.removed],
        )
        card.add_book(book)
        texts.files[book.book] = file
        books.append(replace(book, removed=[]))
    return books, texts


def _clean_to_file(path: Path, file: Path, params: Clean) -> None:
    clean_book(path, params).save(file)


class _Texts:
    """The clean texts by book id, each read from its file when it is asked for."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.passages = lru_cache(8)(lambda book: split_passages(self[book]))
        self._shingles = lru_cache(64)(self._read_shingles)

    def __getitem__(self, book: str) -> str:
        return pq.read_table(self.files[book], columns=["text"])[0][0].as_py()

    def similarity(self, one: tuple[str, int], other: tuple[str, int]) -> float:
        """The exact Jaccard similarity of two passages (book, number), or of books (book, -1)."""
        return jaccard(self._shingles(one), self._shingles(other))

    def _read_shingles(self, key: tuple[str, int]) -> np.ndarray:
        book, number = key
        text = self[book] if number < 0 else self.passages(book)[number]
        return shingles(normal_words(text))


def _unreadable_row(row: dict[str, Any]) -> dict[str, Any]:
    """The row of `DROPPED` for a row of the manifest of `raw`."""
    return {"book": row["book"], "words": 0, "reason": row["fate"]}


def _books_to_drop(
    books: list[CleanedBook], texts: _Texts, params: Clean
) -> dict[str, dict[str, Any]]:
    """The books that fail a quality filter or duplicate another one: id -> row of `DROPPED`."""
    good = [book for book in books if not book.reason]
    duplicates = find_duplicates(
        np.array([book.bands for book in good], np.uint64).reshape(len(good), -1 if good else 0),
        np.array([book.words for book in good]),
        np.arange(len(good)),
        params.similar_books,
        lambda one, other: texts.similarity((good[one].book, -1), (good[other].book, -1)),
    )
    same_as = {
        good[one].book: (good[other].book, similarity)
        for one, (other, similarity) in duplicates.items()
    }
    digests = {book.book: book.digest for book in good}
    rows: dict[str, dict[str, Any]] = {}
    for book in books:
        row: dict[str, Any] = {"book": book.book, "words": book.words, "reason": book.reason}
        if book.book in same_as:
            other, similarity = same_as[book.book]
            equal = digests[book.book] == digests[other]
            row |= {"same_as": other, "similarity": similarity}
            row["reason"] = "duplicate" if equal else "near duplicate"
        if row["reason"]:
            rows[book.book] = row
    return rows


def _passages_to_cut(
    books: list[CleanedBook], texts: _Texts, params: Clean, scratch: Path
) -> dict[str, dict[int, str]]:
    """The passages that another book holds too: book -> passage number -> that book.

    Their LSH bands go to the file `scratch`, 8 bytes each, which is memory-mapped.
    """
    numbers, counts = [np.zeros(0, np.int32)], []
    width = 1
    with scratch.open("wb") as file:
        for book in books:
            table = pq.read_table(texts.files[book.book], columns=["passages", "passage_bands"])
            numbers.append(table["passages"].combine_chunks().flatten().to_numpy().astype(np.int32))
            bands = table["passage_bands"].combine_chunks().flatten()
            counts.append(len(bands))
            if len(bands):
                width = len(bands[0])
                file.write(bands.flatten().to_numpy().tobytes())
    if not sum(counts):
        return {}
    number = np.concatenate(numbers)
    groups = np.repeat(np.arange(len(books), dtype=np.int32), counts)
    duplicates = find_duplicates(
        np.memmap(scratch, np.uint64, "r").reshape(-1, width),
        # The length of the whole book: a passage stays in the longest book that holds it.
        np.array([book.words for book in books])[groups],
        groups,
        params.similar_passages,
        lambda one, other: texts.similarity(
            *((books[groups[text]].book, int(number[text])) for text in (one, other))
        ),
    )
    cut: dict[str, dict[int, str]] = {}
    for text, (other, _) in duplicates.items():
        cut.setdefault(books[groups[text]].book, {})[int(number[text])] = books[groups[other]].book
    return cut


def _split(
    texts: Iterable[tuple[str, str]], books: list[str], params: Clean
) -> Iterator[tuple[str, str, bool]]:
    """Yield each document (book, text, whether it is for validation).

    The split is by book; with one or two books it is by passage.
    """
    if len(books) <= 2:
        print(
            f"books: {len(books)}, too few to hold one out; passages are held out", file=sys.stderr
        )
        for book, text in texts:
            yield from split_by_passage(book, text, params.valid_fraction, params.seed)
        return
    validation = choose_validation(books, params.valid_fraction, params.seed)
    for book, text in texts:
        if text:
            yield book, text, book in validation


def _cut(
    book: str, texts: _Texts, cut: dict[int, str], removed: pq.ParquetWriter, card: Card
) -> str:
    """The text of a book without the passages `cut`, which are recorded in `removed` and `card`."""
    if not cut:
        return texts[book]
    passages = texts.passages(book)
    rows = [
        {"book": book, "kind": f"also in {other}", "text": passages[number]}
        for number, other in sorted(cut.items())
    ]
    _write(removed, REMOVED, rows)
    card.add_cut_passages(book, rows)
    return "".join(text for number, text in enumerate(passages) if number not in cut).strip("\n")


def _write(file: pq.ParquetWriter, schema: pa.Schema, rows: list[dict]) -> None:
    if rows:
        file.write_table(pa.Table.from_pylist(rows, schema))
