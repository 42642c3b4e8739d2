"""The first layers of a model, the others afresh."""

import shutil
from pathlib import Path

from gpt1.analysis.transfer import first_layers
from gpt1.files import publish
from gpt1.model.transformer import GPT
from gpt1.params import Model
from stages import entry, tracking


def main(*, model: Path, layers: int, out: Path) -> None:
    """Keep the embeddings and the first `layers` blocks of `model`."""
    seed = entry.section(Model, f"models.{model.name}").seed
    with tracking.run() as run, publish(out) as beside:
        run.params({"model": model.name, "layers": layers, "seed": seed})
        first_layers(GPT.load(model), layers, seed).save(beside)
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(model / name, beside / name)


if __name__ == "__main__":
    entry.run(main)
