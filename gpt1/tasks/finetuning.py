"""Fine-tuning: the paper's recipe on one task (section 4.1, "Fine-tuning details")."""

import functools
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from torch import Tensor, nn

from gpt1.errors import UserError
from gpt1.params import Finetune
from gpt1.tasks.inputs import Batch, Inputs, LengthBatches, collate
from gpt1.tasks.model import TaskModel
from gpt1.training import schedule
from gpt1.training.loop import fit

CURVE = ["update", "loss", "task_loss", "language_model_loss", "rate", "gradient_norm"]


def finetune(
    model: TaskModel,
    inputs: Inputs,
    recipe: Finetune,
    *,
    seed: int,
    state: Path,
    title: str,
    after: Callable[[int, dict[str, float]], None] = lambda update, row: None,
) -> pd.DataFrame:
    """Train `model` in place on encoded training examples; its curve, one row an update.

    A row is of CURVE: it has both parts of the loss too. The last epoch is the result. `state`,
    `title` and `after` are those of `fit`. Raises UserError when there is no training example.
    """
    if not inputs.sequences:
        raise UserError(
            f"task {model.task.name} has no training examples; take it out of compare.tasks"
        )
    batches = LengthBatches(inputs.lengths, recipe.batch, seed)
    updates = recipe.epochs * batches.in_epoch
    warmup = round(recipe.warmup * updates)

    def batch_at(update: int) -> list[Batch]:
        indices = batches(update)
        parts = [
            indices[start : start + recipe.micro_batch]
            for start in range(0, len(indices), recipe.micro_batch)
        ]
        return [collate(inputs, part, update_examples=len(indices)) for part in parts]

    parts: list[tuple[Tensor, Tensor]] = []

    def loss(_: nn.Module, batch: Batch) -> Tensor:
        task, language_model = model.losses(batch, recipe.auxiliary)
        parts.append((task.detach(), language_model.detach()))
        return task + recipe.auxiliary * language_model

    def noted(update: int, row: dict[str, float]) -> None:
        task, language_model = zip(*parts, strict=True)
        parts.clear()
        row["task_loss"] = sum(task).item()
        row["language_model_loss"] = sum(language_model).item()
        after(update, row)

    return fit(
        model,
        loss=loss,
        batch_at=batch_at,
        updates=updates,
        rate=functools.partial(
            schedule.linear, peak=recipe.learning_rate, warmup=warmup, updates=updates
        ),
        weight_decay=recipe.weight_decay,
        clip=recipe.clip,
        precision=recipe.precision,
        seed=seed,
        state=state,
        title=title,
        columns=CURVE,
        after=noted,
    )
