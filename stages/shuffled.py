"""Shuffle the training documents by sentence; copy the validation documents unchanged."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gpt1.corpus.shuffling import shuffle_sentences
from gpt1.files import iterate_rows, publish
from gpt1.tokens.shards import sample_books
from stages import entry, state, tracking


def main(*, documents: Path, books: float, seed: int, out: Path) -> None:
    """Write `train.parquet` and `valid.parquet` with the columns `book` and `text`.

    books: the fraction of the training books to shuffle; the others are left out.
    """
    with (
        tracking.run() as run,
        state.folder(out.name, {"seed": seed, "books": books}, documents) as scratch,
        publish(out) as folder,
    ):
        run.params({"seed": seed, "books": books})
        folder.mkdir()
        source = pq.ParquetFile(documents / "train.parquet")
        names = pq.read_table(documents / "train.parquet", columns=["book"])["book"].to_pylist()
        chosen = sample_books(names, books)
        rows = iterate_rows(source, ["book", "text"])
        texts = (row["text"] for row in rows if row["book"] in chosen)
        shuffled = shuffle_sentences(texts, seed, scratch)
        with pq.ParquetWriter(folder / "train.parquet", source.schema_arrow) as train:
            for book, text in zip(filter(chosen.__contains__, names), shuffled, strict=True):
                row = {"book": book, "text": text}
                train.write_table(pa.Table.from_pylist([row], source.schema_arrow))
        shutil.copy(documents / "valid.parquet", folder)


if __name__ == "__main__":
    entry.run(main)
