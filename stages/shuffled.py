"""The training documents, shuffled by sentence; the held-out ones as they are."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gpt1.corpus.shuffling import shuffle_sentences
from gpt1.files import publish
from stages import entry, tracking


def main(*, documents: Path, seed: int, out: Path) -> None:
    """Write `train.parquet` and `valid.parquet` with the columns `book` and `text`."""
    table = pq.read_table(documents / "train.parquet", columns=["book", "text"])
    texts = shuffle_sentences(table["text"].to_pylist(), seed)
    with tracking.run() as run, publish(out) as folder:
        run.params({"seed": seed})
        folder.mkdir()
        shuffled = pa.table({"book": table["book"], "text": texts})
        pq.write_table(shuffled, folder / "train.parquet", row_group_size=1)
        shutil.copy(documents / "valid.parquet", folder)


if __name__ == "__main__":
    entry.run(main)
