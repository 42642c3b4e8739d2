"""Supervised fine-tuning: the paper's recipe on one task (section 4.1, "Fine-tuning details")."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from torch import Tensor

from gpt1.errors import UserError
from gpt1.params import Finetune
from gpt1.tasks.inputs import Batch, Inputs, LengthBatches, collate
from gpt1.tasks.model import TaskModel
from gpt1.training import schedule
from gpt1.training.callback import Callback
from gpt1.training.loop import Optimization, fit
from gpt1.training.objective import Objective


def finetune(
    model: TaskModel,
    inputs: Inputs,
    recipe: Finetune,
    *,
    seed: int,
    state: Path,
    title: str,
    callbacks: Sequence[Callback] = (),
) -> pd.DataFrame:
    """Train `model` in place on encoded training examples; return its curve, one row an update.

    The result is the model after the last epoch. `state`, `title` and `callbacks` are those of
    `fit`. Raises UserError when there is no training example.
    """
    if not inputs.sequences:
        raise UserError(
            f"task {model.task.name} has no training examples; take it out of compare.tasks"
        )
    objective = FineTuning(model, inputs, recipe, seed)
    optimization = Optimization(
        learning_rate=partial(
            schedule.linear,
            peak=recipe.learning_rate,
            warmup=round(recipe.warmup * objective.updates),
            updates=objective.updates,
        ),
        weight_decay=recipe.weight_decay,
        clip=recipe.clip,
        precision=recipe.precision,
        seed=seed,
    )
    return fit(objective, optimization, state=state, title=title, callbacks=callbacks)


class FineTuning(Objective[Batch]):
    """The task's loss plus the weighted language-model loss (equation 5 of the paper)."""

    model: TaskModel
    losses = ("loss", "task_loss", "language_model_loss")

    def __init__(self, model: TaskModel, inputs: Inputs, recipe: Finetune, seed: int) -> None:
        self.model, self._inputs, self._recipe = model, inputs, recipe
        self._batches = LengthBatches(inputs.lengths, recipe.batch, seed)
        self.updates = recipe.epochs * self._batches.in_epoch

    def micro_batches(self, update: int) -> list[Batch]:
        indices, size = self._batches(update), self._recipe.micro_batch
        parts = [indices[start : start + size] for start in range(0, len(indices), size)]
        return [collate(self._inputs, part, update_examples=len(indices)) for part in parts]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        auxiliary = self._recipe.auxiliary
        task, language_model = self.model.losses(batch, auxiliary)
        total = task + auxiliary * language_model
        return {"loss": total, "task_loss": task, "language_model_loss": language_model}
