"""Token shards of the documents of both splits."""

from pathlib import Path

from gpt1.files import publish
from gpt1.tokens.encoding import write_shards
from stages import entry, state, tracking


def main(documents: Path, bpe: Path, out: Path) -> None:
    """Write `train-*.parquet` and `valid-*.parquet`."""
    with (
        tracking.run() as run,
        state.folder(out.name, {}, documents, bpe, state.TOKENS) as pieces,
        publish(out) as folder,
    ):
        folder.mkdir()
        for split in ("train", "valid"):
            tokens = write_shards(documents / f"{split}.parquet", bpe, folder, split, pieces)
            run.metrics({f"{split}/tokens": tokens})


if __name__ == "__main__":
    entry.run(main)
