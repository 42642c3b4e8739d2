"""Training documents, shuffled by sentence; the held-out ones as they are."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gpt1.corpus.shuffling import shuffle_sentences
from gpt1.files import publish, rows
from gpt1.tokens.shards import share
from stages import entry, state, tracking


def main(*, documents: Path, books: float, seed: int, out: Path) -> None:
    """Write `train.parquet` and `valid.parquet` with the columns `book` and `text`.

    books: the share of the training books that is shuffled; the others are left out.
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
        chosen = share(names, books)
        texts = (row["text"] for row in rows(source, ["book", "text"]) if row["book"] in chosen)
        found = shuffle_sentences(texts, seed, scratch)
        with pq.ParquetWriter(folder / "train.parquet", source.schema_arrow) as train:
            for book, text in zip(filter(chosen.__contains__, names), found, strict=True):
                shuffled = [{"book": book, "text": text}]
                train.write_table(pa.Table.from_pylist(shuffled, source.schema_arrow))
        shutil.copy(documents / "valid.parquet", folder)


if __name__ == "__main__":
    entry.run(main)
