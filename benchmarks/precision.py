"""Plot the loss of a small model in bf16 and in fp32, on the same batches.

Run `dvc repro shards` first. Usage:
python benchmarks/precision.py data/shards VOCABULARY_SIZE docs/images/precision.png [UPDATES]
"""

import sys
import tempfile
from pathlib import Path

import matplotlib
import pandas as pd
import torch

from gpt1.params import Model, paper, parse
from gpt1.tokens.shards import ShardReader
from gpt1.training.pretraining import pretrain

matplotlib.use("Agg")
SMALL = {"layers": 2, "width": 64, "heads": 2, "context": 64, "batch": 4, "micro_batch": 4}
SMALL |= {"learning_rate": 3e-3, "warmup": 20, "seed": 1, "threads": 1, "compile": False}
SMALL |= {"deterministic": False}


def main(shards: Path, vocab: int, picture: Path, updates: int) -> None:
    curves = {precision: curve(shards, vocab, updates, precision) for precision in ("fp32", "bf16")}
    table = pd.DataFrame({name: rows["loss"] for name, rows in curves.items()})
    table.index = table.index + 1
    axes = table.plot(style=["-", ":"], xlabel="update", ylabel="loss, nats a token", lw=1.2)
    axes.figure.savefig(picture, dpi=110, bbox_inches="tight")
    apart = (table["fp32"] - table["bf16"]).abs()
    print(f"{updates} updates, first {table['fp32'].iloc[0]:.3f}, last: {dict(table.iloc[-1])}")
    print(f"apart: {apart.mean():.4f} on average, {apart.max():.4f} at most")


def curve(shards: Path, vocab: int, updates: int, precision: str) -> pd.DataFrame:
    values = paper(Model) | SMALL | {"precision": precision, "epochs": 1, "checkpoints": []}
    values |= {"validate_every": 0}
    params = parse(Model, values, "models.small")
    with tempfile.TemporaryDirectory() as folder:
        _, rows = pretrain(
            params,
            Stopped(ShardReader(shards, "train"), updates * params.batch),
            vocab=vocab,
            device=torch.device("cpu"),
            folder=Path(folder),
            title=precision,
            held_out=lambda _: 0.0,
        )
    return rows


class Stopped:
    """The first windows of each epoch alone."""

    def __init__(self, reader: ShardReader, count: int) -> None:
        self._reader, self._count = reader, count

    def windows(self, context: int, seed: int, epoch: int) -> "Stopped":
        return Stopped(self._reader.windows(context, seed, epoch), self._count)

    def __len__(self) -> int:
        return min(self._count, len(self._reader))

    def batch(self, rows):
        return self._reader.batch(rows)


if __name__ == "__main__":
    shards, vocab, picture, updates = [*sys.argv[1:], "300"][:4]
    main(Path(shards), int(vocab), Path(picture), int(updates))
