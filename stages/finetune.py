"""`finetune@TASK-MODEL-SEED`: one model on one task, and its predictions."""

from pathlib import Path

from gpt1.files import publish, read_json
from gpt1.model.loading import load_model
from gpt1.params import Finetune
from gpt1.tasks.model import save_task
from stages import cell, entry


def main(
    *,
    task: Path,
    tokens: Path,
    model: Path,
    seed: int,
    kept: Path,
    out: Path,
    predictions: Path,
    curve: Path,
) -> None:
    """Fine-tune `model` on the train split of `task`, and predict the other splits.

    The file `kept` says whether `out` has the model, or the task alone.
    """
    recipe = entry.section(Finetune, f"finetune.{task.stem}")
    is_kept = read_json(kept)
    described = cell.run(
        recipe,
        model.name,
        seed,
        load_model,
        out if is_kept else None,
        task=task,
        tokens=tokens,
        model=model,
        predictions=predictions,
        curve=curve,
    )
    if not is_kept:
        with publish(out) as beside:
            beside.mkdir()
            save_task(described, beside)


if __name__ == "__main__":
    entry.run(main)
