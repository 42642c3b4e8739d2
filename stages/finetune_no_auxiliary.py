"""`finetune_no_auxiliary@TASK-SEED`: fine-tuning without the language-model loss."""

import dataclasses
from pathlib import Path

from gpt1.model.loading import load_model
from gpt1.params import Finetune
from stages import cell, entry


def main(
    *, task: Path, tokens: Path, model: Path, seed: int, predictions: Path, curve: Path
) -> None:
    """Run `finetune` with the auxiliary weight of its recipe set to 0."""
    recipe = entry.section(Finetune, f"finetune.{task.stem}")
    without = dataclasses.replace(recipe, auxiliary=0.0)  # type: ignore[type-var]
    cell.run(
        without,
        "no_auxiliary",
        seed,
        load_model,
        task=task,
        tokens=tokens,
        model=model,
        predictions=predictions,
        curve=curve,
    )


if __name__ == "__main__":
    entry.run(main)
