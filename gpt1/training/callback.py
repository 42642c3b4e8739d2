"""What watches the training loop: records, checkpoints."""

import sys
from collections.abc import Callable, Collection
from pathlib import Path

from safetensors import SafetensorError

from gpt1.errors import UserError, one_line
from gpt1.files import publish
from gpt1.model.language_model import LanguageModel

Row = dict[str, float]
"""A row of the curve: its columns by name."""


class Callback:
    """Hooks of the training loop, which do nothing here.

    The process of rank 0 alone calls them, but for `reads_model`.
    """

    def reads_model(self, updates: int) -> bool:
        """Whether `on_update` reads the model as it is after `updates` updates.

        Only then does the loop wait for the device; else the model may be one update ahead.
        """
        return False

    def on_update(self, updates: int, row: Row) -> None:
        """Called after each update: `updates` are done, `row` is the last one's."""

    def on_speed(self, updates: int, speed: dict[str, float]) -> None:
        """Called every ten seconds at most; `speed` is that of `Progress.speed`."""


class HeldOut(Callback):
    """Puts the held-out loss of `model` into the row of every `every`th update, as valid_loss.

    The other processes wait meanwhile. The training is not changed by it: dropout has a seed for
    each micro-batch.
    """

    def __init__(
        self, model: LanguageModel, every: int, loss: Callable[[LanguageModel], float]
    ) -> None:
        self._model, self._every, self._loss = model, every, loss

    def reads_model(self, updates: int) -> bool:
        return bool(self._every) and updates % self._every == 0

    def on_update(self, updates: int, row: Row) -> None:
        if self.reads_model(updates):
            row["valid_loss"] = self._loss(self._model)
            self._model.train()


class Checkpoints(Callback):
    """Saves the model below `folder` after each of the listed updates."""

    def __init__(self, model: LanguageModel, listed: Collection[int], folder: Path) -> None:
        self._model, self._listed, self._folder = model, listed, folder

    def reads_model(self, updates: int) -> bool:
        return updates in self._listed

    def on_update(self, updates: int, row: Row) -> None:
        self.save(updates)

    def save(self, updates: int) -> None:
        """Save the model if `updates` is listed, whole or not at all.

        Raises UserError when it cannot be written, for it cannot be made later.
        """
        if updates not in self._listed:
            return
        try:
            with publish(self._place(updates), durable=True) as beside:
                self._model.save(beside)
        except (OSError, SafetensorError) as error:
            raise UserError(
                f"{self._place(updates)}: cannot save this checkpoint ({one_line(error)}); free "
                "space and start again, which resumes from the last state"
            ) from None

    def warn_of_passed(self, updates: int, title: str) -> None:
        """Print which listed checkpoints cannot be made any more after `updates` updates."""
        passed = [n for n in self._listed if n <= updates and not self._place(n).is_dir()]
        if passed:
            print(
                f"warning: {title}: checkpoints: training is past {', '.join(map(str, passed))} "
                "and makes only those ahead; to have all, begin anew",
                file=sys.stderr,
            )

    def _place(self, updates: int) -> Path:
        return self._folder / f"{updates:07d}"
