"""What watches the training loop: records, checkpoints."""

from collections.abc import Collection
from pathlib import Path

from gpt1.model.language_model import LanguageModel

Row = dict[str, float]
"""A row of the curve: its columns by name."""


class Callback:
    """Hooks of the training loop, which do nothing here. The process of rank 0 alone calls them."""

    def on_update(self, updates: int, row: Row) -> None:
        """Called after each update: `updates` are done, `row` is the last one's."""

    def on_speed(self, updates: int, speed: dict[str, float]) -> None:
        """Called every ten seconds at most; `speed` is that of `Progress.speed`."""


class Checkpoints(Callback):
    """Saves the model below `folder` after each of the listed updates."""

    def __init__(self, model: LanguageModel, listed: Collection[int], folder: Path) -> None:
        self._model, self._listed, self._folder = model, listed, folder

    def on_update(self, updates: int, row: Row) -> None:
        self.save(updates)

    def save(self, updates: int) -> None:
        """Save the model if `updates` is listed."""
        if updates in self._listed:
            self._model.save(self._folder / f"{updates:07d}")
