"""Books to clean documents, split into train and valid; what was dropped, and a data card."""

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
from gpt1.corpus.cleaning import Cleaned, clean_book, passages
from gpt1.corpus.duplicates import duplicates
from gpt1.corpus.shingles import jaccard, normal_words, shingles
from gpt1.corpus.split import by_passage, held_out
from gpt1.errors import UserError
from gpt1.params import Clean
from gpt1.workers import pieces

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


def clean(raw: Path, out: Path, params: Clean, work: Path) -> Card:
    """Write to the folder `out`:

    `train.parquet` and `valid.parquet` (book, text): a row for each document, a line for each
    paragraph; `dropped.parquet`: the books that are gone, and why; `removed.parquet`: every span
    that was taken out of a book; `card.md`, `card.html`, `card.json`: the data card.

    In the folder `work` each book's piece is kept, for a run that goes on after a kill.
    """
    paths = sorted((raw.resolve() / "books").glob("*.txt"))
    with (raw / "manifest.jsonl").open(encoding="utf-8") as lines:
        unread = [row for row in map(json.loads, lines) if row["fate"] != "kept"]
    if not paths:
        raise UserError(f"{raw}: no books; `dvc repro raw` brings them")
    out.mkdir(parents=True, exist_ok=True)
    card = Card(params)
    with (
        pq.ParquetWriter(out / "removed.parquet", REMOVED) as removed,
        pq.ParquetWriter(out / "dropped.parquet", DROPPED) as dropped,
    ):
        books, texts = _clean_each(paths, work / "books", params, card, removed)
        gone = _drop(books, texts, params)
        for row in [*map(_unread, unread), *gone.values()]:
            _write(dropped, DROPPED, [row])
            card.dropped(row)
        kept = [book for book in books if book.book not in gone]
        if not kept:
            raise UserError(f"{raw}: no book is kept ({card.reasons()}); see the section clean")
        cut = _duplicate_passages(kept, texts, params, work / "bands")
        with (
            pq.ParquetWriter(out / "train.parquet", DOCUMENTS) as train,
            pq.ParquetWriter(out / "valid.parquet", DOCUMENTS) as valid,
        ):
            whole = (
                (book.book, _without(book.book, texts, cut.get(book.book, {}), removed, card))
                for book in kept
            )
            for book, text, held in _split(whole, [book.book for book in kept], params):
                file = valid if held else train
                _write(file, DOCUMENTS, [{"book": book, "text": text}])
                card.document("valid" if held else "train", text)
    card.save(out)
    return card


def _clean_each(
    paths: list[Path], folder: Path, params: Clean, card: Card, removed: pq.ParquetWriter
) -> tuple[list[Cleaned], "_Texts"]:
    """The books without their texts, which stay in their pieces."""
    found, texts = [], _Texts()
    size = sum(path.stat().st_size for path in paths)
    work = pieces(partial(_clean_piece, params=params), paths, folder, size)
    for piece in tqdm(work, total=len(paths), desc="clean", unit="books"):
        book = Cleaned.load(piece)
        _write(
            removed,
            REMOVED,
            [{"book": book.book, "kind": span.kind, "text": span.text} for span in book.removed],
        )
        card.cleaned(book)
        texts.pieces[book.book] = piece
        found.append(replace(book, removed=[]))
    return found, texts


def _clean_piece(path: Path, piece: Path, params: Clean) -> None:
    clean_book(path, params).save(piece)


class _Texts:
    """The clean texts, read again one by one."""

    def __init__(self) -> None:
        self.pieces: dict[str, Path] = {}
        self.passages = lru_cache(8)(lambda book: passages(self[book]))
        self._shingles = lru_cache(64)(self._read_shingles)

    def __getitem__(self, book: str) -> str:
        return pq.read_table(self.pieces[book], columns=["text"])[0][0].as_py()

    def similarity(self, one: tuple[str, int], other: tuple[str, int]) -> float:
        """The true Jaccard similarity of two books (number -1) or passages."""
        return jaccard(self._shingles(one), self._shingles(other))

    def _read_shingles(self, key: tuple[str, int]) -> np.ndarray:
        book, number = key
        text = self[book] if number < 0 else self.passages(book)[number]
        return shingles(normal_words(text))


def _unread(row: dict[str, Any]) -> dict[str, Any]:
    """A book that `raw` could not read, as the manifest has it."""
    return {"book": row["book"], "words": 0, "reason": row["fate"]}


def _drop(books: list[Cleaned], texts: _Texts, params: Clean) -> dict[str, dict[str, Any]]:
    """The books that are no good or that stand in the corpus already: id -> row of `DROPPED`."""
    good = [book for book in books if not book.reason]
    twins = duplicates(
        np.array([book.bands for book in good], np.uint64).reshape(len(good), -1 if good else 0),
        np.array([book.words for book in good]),
        np.arange(len(good)),
        params.similar_books,
        lambda one, other: texts.similarity((good[one].book, -1), (good[other].book, -1)),
    )
    found = {good[one].book: (good[other].book, alike) for one, (other, alike) in twins.items()}
    digests = {book.book: book.digest for book in good}
    rows: dict[str, dict[str, Any]] = {}
    for book in books:
        row: dict[str, Any] = {"book": book.book, "words": book.words, "reason": book.reason}
        if book.book in found:
            twin, similarity = found[book.book]
            same = digests[book.book] == digests[twin]
            row |= {"same_as": twin, "similarity": similarity}
            row["reason"] = "duplicate" if same else "near duplicate"
        if row["reason"]:
            rows[book.book] = row
    return rows


def _duplicate_passages(
    books: list[Cleaned], texts: _Texts, params: Clean, scratch: Path
) -> dict[str, dict[int, str]]:
    """Book -> the numbers of its passages that stand in a longer book, and in which.

    What they are compared by goes to `scratch`, 8 bytes a band, and is mapped, not read.
    """
    numbers, counts = [np.zeros(0, np.int32)], []
    width = 1
    with scratch.open("wb") as file:
        for book in books:
            table = pq.read_table(texts.pieces[book.book], columns=["passages", "passage_bands"])
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
    cut: dict[str, dict[int, str]] = {}
    twins = duplicates(
        np.memmap(scratch, np.uint64, "r").reshape(-1, width),
        # Whole books first, the longest before the others: of a passage, its copy there stays.
        np.array([book.words for book in books])[groups],
        groups,
        params.similar_passages,
        lambda one, other: texts.similarity(
            *((books[groups[text]].book, int(number[text])) for text in (one, other))
        ),
    )
    for text, (twin, _) in twins.items():
        cut.setdefault(books[groups[text]].book, {})[int(number[text])] = books[groups[twin]].book
    return cut


def _split(
    texts: Iterable[tuple[str, str]], books: list[str], params: Clean
) -> Iterator[tuple[str, str, bool]]:
    """Each document (book, text, whether it is held out); the only two books go by passage."""
    if len(books) <= 2:
        print(f"{len(books)} books only: passages are held out, not books", file=sys.stderr)
        for book, text in texts:
            yield from by_passage(book, text, params.valid_fraction, params.seed)
        return
    chosen = held_out(books, params.valid_fraction, params.seed)
    for book, text in texts:
        if text:
            yield book, text, book in chosen


def _without(
    book: str, texts: _Texts, cut: dict[int, str], removed: pq.ParquetWriter, card: Card
) -> str:
    """The text of a book without the passages that are cut."""
    if not cut:
        return texts[book]
    found = texts.passages(book)
    rows = [
        {"book": book, "kind": f"also in {twin}", "text": found[number]}
        for number, twin in sorted(cut.items())
    ]
    _write(removed, REMOVED, rows)
    card.passages(book, rows)
    return "".join(text for number, text in enumerate(found) if number not in cut).strip("\n")


def _write(file: pq.ParquetWriter, schema: pa.Schema, rows: list[dict]) -> None:
    if rows:
        file.write_table(pa.Table.from_pylist(rows, schema))
