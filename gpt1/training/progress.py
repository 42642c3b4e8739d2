"""The progress bar of a training run: the loss, its speed, and the time left."""

import math
from typing import Any

from tqdm import tqdm

from gpt1.training.callback import Row
from gpt1.training.objective import UpdateCost


class Progress:
    """A bar on the terminal; without `cost` it shows no speed."""

    def __init__(
        self, title: str, done: int, updates: int, cost: UpdateCost | None, *, shown: bool
    ) -> None:
        self._cost = cost
        self._updates = updates
        self._valid = ""
        self._bar: tqdm[Any] = tqdm(
            desc=title,
            initial=done,
            total=updates,
            unit="update",
            mininterval=1.0,
            disable=not shown,
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self, row: Row) -> None:
        """Count one more update, with its row of the curve."""
        self._bar.update()
        if math.isfinite(valid := row.get("valid_loss", math.nan)):
            self._valid = f"{valid:.3f}"
        shown = {"loss": f"{row['loss']:.3f}"} | ({"held out": self._valid} if self._valid else {})
        if speed := self.speed():
            shown["tokens/s"] = f"{speed['tokens_per_second']:,.0f}"
            shown["of the peak"] = f"{speed['utilisation']:.0%}"
        self._bar.set_postfix(shown, refresh=False)

    def speed(self) -> dict[str, float]:
        """Tokens a second, utilisation (the share of the peak) and hours left; at first empty."""
        rate = self._bar.format_dict["rate"]  # updates a second, a moving average
        if not (self._cost and rate):
            return {}
        return {
            "tokens_per_second": self._cost.tokens * rate,
            "utilisation": self._cost.operations * rate / self._cost.peak,
            "hours_left": (self._updates - self._bar.n) / rate / 3600,
        }
