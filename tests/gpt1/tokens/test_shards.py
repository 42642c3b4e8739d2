from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gpt1.errors import UserError
from gpt1.tokens.shards import ShardReader, ShardWriter, count_tokens

BOOKS = {"long": 40_000, "empty": 0, "short": 5, "middle": 1000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every token of the split has another id; none of them appears twice in a row of books."""
    folder = tmp_path_factory.mktemp("shards")
    with ShardWriter(folder, "train") as shards:
        first = 0
        for book, length in BOOKS.items():
            shards.write(book, range(first, first + length), 10 * length, 2 * length)
            first += length
    return folder


def test_pandas_reads_book_position_and_ids(folder: Path) -> None:
    table = pd.read_parquet(folder / "train-00000.parquet")
    assert list(table.book) == ["long", "long", "short", "middle"]
    assert list(table.position) == [0, 32_768, 0, 0]
    assert table.ids[2].dtype == np.uint16
    assert sum(map(len, table.ids)) == sum(BOOKS.values())


def test_words_count_once_for_each_book(folder: Path) -> None:
    assert ShardReader(folder, "train").words == 2 * sum(BOOKS.values())


def test_documents_come_back_in_order(folder: Path) -> None:
    documents = list(ShardReader(folder, "train").documents())
    assert [(d.book, len(d.ids), d.size) for d in documents] == [
        (book, length, 10 * length) for book, length in BOOKS.items() if length
    ]
    assert documents[0].ids[-1] == 40_000 - 1
    first = [d.book for d in ShardReader(folder, "train").documents(40_001)]
    assert first == ["long", "short"], "whole documents, until they have that many tokens"


def test_windows_are_contiguous_disjoint_and_never_cross_books(folder: Path) -> None:
    reader = ShardReader(folder, "train")
    windows = reader.windows(64, seed=1, epoch=0)
    batch = windows.batch(range(len(windows)))
    assert batch.shape == (len(windows), 65)
    assert batch.dtype == np.int64
    assert (np.diff(batch) == 1).all()
    places = {tuple(window[[0, -1]]) for window in batch}
    assert len(places) == len(windows)
    bounds = np.cumsum(list(BOOKS.values()))
    for window in batch:
        assert not set(window[1:]) & set(bounds), "a window holds the first token of a book"
    whole = sum(max((length - 1) // 64, 0) for length in BOOKS.values())
    assert whole - len(BOOKS) <= len(windows) <= whole


def test_order_and_phase_depend_on_seed_and_epoch_alone(folder: Path) -> None:
    def all_windows(seed: int, epoch: int) -> np.ndarray:
        windows = ShardReader(folder, "train").windows(64, seed, epoch)
        return windows.batch(range(len(windows)))

    first = all_windows(1, 0)
    assert (first == all_windows(1, 0)).all()
    for other in (all_windows(1, 1), all_windows(2, 0)):
        assert other.shape != first.shape or (other != first).any()
        assert {int(w[0]) % 64 for w in other} != {int(w[0]) % 64 for w in first}


def test_a_window_is_read_alone_as_in_its_batch(folder: Path) -> None:
    windows = ShardReader(folder, "train").windows(64, seed=1, epoch=3)
    batch = windows.batch(range(len(windows)))
    for index in (0, 17, len(windows) - 1):
        assert (windows[index] == batch[index]).all()
    with pytest.raises(IndexError):
        windows[len(windows)]


def test_the_files_say_how_many_tokens_they_hold(folder: Path) -> None:
    tokens = ShardReader(folder, "train").tokens
    assert count_tokens(folder, "train") == tokens == sum(BOOKS.values())
    assert count_tokens(folder, "valid") == 0


def test_a_fraction_of_the_books_is_part_of_a_larger_one(folder: Path) -> None:
    kept = [set(ShardReader(folder, "train", part).books) for part in (0.3, 0.6, 1.0)]
    assert [len(books) for books in kept] == [1, 2, 3]
    assert kept[0] < kept[1] < kept[2]


def test_a_folder_without_shards_or_with_cut_ones_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no valid shards"):
        ShardReader(folder, "valid")
    content = (folder / "train-00000.parquet").read_bytes()
    (tmp_path / "train-00000.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="--force shards"):
        ShardReader(tmp_path, "train")
