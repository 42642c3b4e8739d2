"""Encode the documents of both splits to token shards."""

from pathlib import Path

from gpt1.files import publish
from gpt1.tokens.documents import encode_documents
from stages import entry, state, tracking


def main(documents: Path, bpe: Path, out: Path) -> None:
    """Write `train-*.parquet` and `valid-*.parquet`."""
    with (
        tracking.run() as run,
        state.folder(out.name, {}, documents, bpe, state.TOKENS) as scratch,
        publish(out) as folder,
    ):
        folder.mkdir()
        for split in ("train", "valid"):
            source = documents / f"{split}.parquet"
            tokens = encode_documents(source, bpe, folder, split, scratch)
            run.metrics({f"{split}/tokens": tokens})


if __name__ == "__main__":
    entry.run(main)
