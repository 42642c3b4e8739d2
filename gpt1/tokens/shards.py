"""Token shards: Parquet files of token ids by book, and a reader of contiguous windows.

A row is a part of a book: `book`, `position` of its first token in the book, `ids` (uint16), and of
the whole book's text `bytes`, in UTF-8, and `words`, between white space.

    import pandas
    pandas.read_parquet("data/shards/train-00000.parquet")
"""

import hashlib
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gpt1.errors import UserError

ROW_TOKENS = 1 << 15
"""Most tokens in a row."""
FILE_TOKENS = 1 << 26
"""A book that would exceed this many tokens in a file begins the next file."""
SCHEMA = pa.schema(
    [
        ("book", pa.string()),
        ("position", pa.int64()),
        ("ids", pa.list_(pa.uint16())),
        ("bytes", pa.int64()),
        ("words", pa.int64()),
    ]
)


class ShardWriter:
    """Writes `SPLIT-00000.parquet` and on into a folder; memory holds one book."""

    def __init__(self, folder: Path, split: str) -> None:
        self._folder = folder
        self._split = split
        self._files = 0
        self._room = 0
        self._file: pq.ParquetWriter | None = None

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is None:
            self._open_next()
        self._close()

    def write(self, book: str, ids: Sequence[int] | np.ndarray, size: int, words: int) -> None:
        """Add a whole book, whose text has `size` bytes and so many `words`, as one row group."""
        whole = np.asarray(ids, np.uint16)
        rows = [
            {
                "book": book,
                "position": start,
                "ids": whole[start : start + ROW_TOKENS],
                "bytes": size,
                "words": words,
            }
            for start in range(0, len(whole), ROW_TOKENS)
        ]
        if not rows:
            return
        if self._file is None or self._room < len(whole):
            self._open_next()
        assert self._file is not None
        self._file.write_table(pa.Table.from_pylist(rows, SCHEMA))
        self._room -= len(whole)

    def _open_next(self) -> None:
        self._close()
        path = self._folder / f"{self._split}-{self._files:05d}.parquet"
        self._file = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self._files += 1
        self._room = FILE_TOKENS

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class Document(NamedTuple):
    book: str
    ids: np.ndarray
    """int64 (tokens,)."""
    size: int
    """Bytes of the text in UTF-8."""


class ShardReader:
    """The tokens of one split (`train` or `valid`) of a shards folder.

    The files are decompressed once into an unnamed temporary file (2 bytes a token) that is
    memory-mapped: memory stays flat for any corpus, and the file goes with the reader.
    fraction: below 1, keep that fraction of the books, as `sample_books` chooses them.
    Raises UserError when the folder holds no shards of the split, or broken ones.
    """

    def __init__(self, folder: Path | str, split: str, fraction: float = 1.0) -> None:
        self.books: list[str] = []
        lengths: list[int] = []
        self._sizes: list[int] = []
        with tempfile.TemporaryFile() as file:
            self.words = 0
            for book, ids, size, words in _read_rows(Path(folder), split, fraction):
                if not self.books or self.books[-1] != book:
                    self.books.append(book)
                    self._sizes.append(size)
                    self.words += words
                    lengths.append(0)
                lengths[-1] += len(ids)
                file.write(ids.tobytes())
            file.flush()
            self.tokens = sum(lengths)
            self._ids: Any = (
                np.memmap(file, np.uint16, "r") if self.tokens else np.zeros(0, np.uint16)
            )
        self._ends = np.cumsum(lengths, dtype=np.int64)
        self._starts = self._ends - np.asarray(lengths, np.int64)

    def documents(self, tokens: float = math.inf) -> Iterator[Document]:
        """Yield the books in the order of the shards, until they have `tokens` tokens together."""
        parts = zip(self.books, self._starts, self._ends, self._sizes, strict=True)
        for book, start, end, size in parts:
            if start >= tokens:
                return
            yield Document(book, self._ids[start:end].astype(np.int64), size)

    def windows(self, context: int, seed: int, epoch: int) -> "Windows":
        """All contiguous windows of `context` inputs and their next tokens, in seeded random order.

        No window crosses two books. Each epoch draws an offset at which the windows of every book
        begin; tokens before it, and after a book's last whole window, are left out of that epoch.
        """
        return Windows(self._ids, (self._starts, self._ends), context, seed, epoch)


class Windows:
    """Windows of `context + 1` tokens in an order that depends on seed and epoch alone."""

    def __init__(
        self,
        ids: np.ndarray,
        books: tuple[np.ndarray, np.ndarray],
        context: int,
        seed: int,
        epoch: int,
    ) -> None:
        starts, ends = books
        random = np.random.default_rng([seed, epoch])
        offset = int(random.integers(context))
        self._ids = ids
        self._context = context
        self._first = starts + offset
        counts = np.maximum((ends - self._first - 1) // context, 0)
        self._before: np.ndarray = np.concatenate([[0], np.cumsum(counts)])
        self._random = random

    def __len__(self) -> int:
        return int(self._before[-1])

    def __getitem__(self, index: int) -> np.ndarray:
        """One window, int64 (context + 1,)."""
        return self.batch([range(len(self))[index]])[0]

    def batch(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Windows by their index in this epoch's order, int64 (len(indices), context + 1)."""
        chosen = self._order[np.asarray(indices, np.int64)]
        book = np.searchsorted(self._before, chosen, side="right") - 1
        start = self._first[book] + (chosen - self._before[book]) * self._context
        return self._ids[start[:, None] + np.arange(self._context + 1)].astype(np.int64)

    @cached_property
    def _order(self) -> np.ndarray:
        return self._random.permutation(len(self))


def count_tokens(folder: Path, split: str) -> int:
    """Count the tokens of a split from the metadata of its files; 0 if there are none."""
    total = 0
    for path in folder.glob(f"{split}-*.parquet"):
        metadata = pq.ParquetFile(path).metadata
        column = metadata.schema.names.index("element")
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        total += sum(group.column(column).num_values for group in groups)
    return total


def sample_books(books: Iterable[str], fraction: float) -> set[str]:
    """Choose `fraction` of the books by the hash of their names.

    A smaller sample is a subset of a larger one.
    """
    by_hash = sorted(set(books), key=lambda book: hashlib.sha256(book.encode()).digest())
    return set(by_hash[: math.ceil(fraction * len(by_hash))])


def _read_rows(
    folder: Path, split: str, fraction: float
) -> Iterator[tuple[str, np.ndarray, int, int]]:
    """Yield book, ids (uint16), bytes and words of each row; memory holds one row group."""
    paths = sorted(folder.glob(f"{split}-*.parquet"))
    if not paths:
        raise UserError(f"{folder}: no {split} shards; `dvc repro shards` makes them")
    try:
        books = (pq.read_table(path, columns=["book"])["book"].to_pylist() for path in paths)
        chosen = sample_books(chain.from_iterable(books), fraction)
        for path in paths:
            file = pq.ParquetFile(path)
            for group in range(file.num_row_groups):  # iter_batches keeps what it has read
                table = file.read_row_group(group, ["book", "ids", "bytes", "words"])
                texts = (table[name].to_pylist() for name in ("book", "bytes", "words"))
                for ids, book, size, words in zip(table["ids"], *texts, strict=True):
                    if book in chosen:
                        yield book, ids.values.to_numpy(), size, words
    except (pa.ArrowException, KeyError) as error:
        raise UserError(f"{folder}: {error}; run `dvc repro --force shards`") from None
