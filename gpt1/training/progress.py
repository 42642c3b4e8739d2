"""The progress bar of a training run: the loss, its speed, and the time left."""

import math
from typing import Any

import torch
from tqdm import tqdm

from gpt1.training.callback import Row
from gpt1.training.memory import peak_memory
from gpt1.training.objective import UpdateCost


class Progress:
    """A bar on the terminal; without `cost` it shows no speed."""

    def __init__(
        self,
        title: str,
        done: int,
        updates: int,
        cost: UpdateCost | None,
        device: torch.device,
        *,
        shown: bool,
    ) -> None:
        self._cost, self._device = cost, device
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
        speed = self.speed()
        shown |= {name: text.format(speed[key]) for key, name, text in SHOWN if key in speed}
        self._bar.set_postfix(shown, refresh=False)

    def speed(self) -> dict[str, float]:
        """The peak memory in GB; with a cost also tokens a second, utilisation and hours left.

        `utilisation` is the share of the published peak; where there is none it is called
        `product_utilisation`, the share of the rate of a plain matrix product.
        """
        memory = {"memory_gb": held / 1e9} if (held := peak_memory(self._device)) else {}
        rate = self._bar.format_dict["rate"]  # updates a second, a moving average
        if not (self._cost and rate):
            return memory
        peak = self._cost.peak
        utilisation = "utilisation" if peak.published else "product_utilisation"
        return {
            "tokens_per_second": self._cost.tokens * rate,
            utilisation: self._cost.operations * rate / peak.rate,
            "hours_left": (self._updates - self._bar.n) / rate / 3600,
            **memory,
        }


SHOWN = (
    ("tokens_per_second", "tokens/s", "{:,.0f}"),
    ("utilisation", "of the peak", "{:.0%}"),
    ("product_utilisation", "of a product's rate", "{:.0%}"),
    ("memory_gb", "memory", "{:.1f} GB"),
)
"""What the bar shows of the speed: key, name, format."""
