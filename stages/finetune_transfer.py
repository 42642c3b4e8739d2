"""`finetune_transfer@TASK-LAYERS-SEED`: fine-tuning of the first layers, others reinitialized."""

from pathlib import Path

from gpt1.analysis.transfer import first_layers
from gpt1.model.loading import load_model
from gpt1.model.transformer import GPT
from gpt1.params import Finetune
from stages import cell, entry


def main(
    *, task: Path, tokens: Path, model: Path, layers: int, seed: int, predictions: Path, curve: Path
) -> None:
    """Run `finetune` on the embeddings and first `layers` blocks of `model`.

    The other blocks are reinitialized from the seed.
    """
    recipe = entry.section(Finetune, f"finetune.{task.stem}")

    def load(directory: Path) -> GPT:
        return first_layers(load_model(directory), layers)

    cell.run(
        recipe,
        f"transfer_{layers}",
        seed,
        load,
        task=task,
        tokens=tokens,
        model=model,
        predictions=predictions,
        curve=curve,
    )


if __name__ == "__main__":
    entry.run(main)
