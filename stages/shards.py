"""Token shards, contiguous."""

from pathlib import Path

import pyarrow.parquet as pq
from tqdm import tqdm

from gpt1.files import publish
from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.shards import ShardWriter
from stages import entry, tracking


def main(documents: Path, bpe: Path, out: Path) -> None:
    """Write `train-*.parquet` and `valid-*.parquet`."""
    tokenizer = BPETokenizer.load(bpe)
    with tracking.run() as run, publish(out) as folder:
        folder.mkdir()
        for split in ("train", "valid"):
            tokens = 0
            file = pq.ParquetFile(documents / f"{split}.parquet")
            bar = tqdm(total=file.metadata.num_rows, desc=split, unit="documents")
            with ShardWriter(folder, split) as shards, bar:
                for batch in file.iter_batches(1):
                    for row in batch.to_pylist():
                        ids = tokenizer.encode_array(row["text"])
                        shards.write(row["book"], ids)
                        tokens += len(ids)
                        bar.update()
            run.metrics({f"{split}/tokens": tokens})


if __name__ == "__main__":
    entry.run(main)
