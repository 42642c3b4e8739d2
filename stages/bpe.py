"""The vocabulary, from the training documents."""

from pathlib import Path

import pyarrow.parquet as pq

from gpt1.files import publish
from gpt1.params import BPE
from gpt1.tokens.bpe import BPETokenizer
from stages import entry, tracking


def main(documents: Path, out: Path) -> None:
    """Write `vocab.json` and `merges.txt`."""
    params = entry.section(BPE, "bpe")
    with tracking.run() as run, publish(out) as folder:
        run.params(params)
        batches = pq.ParquetFile(documents).iter_batches(1, columns=["text"])
        texts = (text for batch in batches for text in batch["text"].to_pylist())
        tokenizer = BPETokenizer.train(texts, params.merges)
        folder.mkdir()
        tokenizer.save(folder)
        run.metrics({"symbols": len(tokenizer)})


if __name__ == "__main__":
    entry.run(main)
