"""What a running training shows: the loss, its speed, and the time that is left."""

from dataclasses import dataclass
from typing import Any

from tqdm import tqdm


@dataclass(frozen=True)
class Work:
    """What one update takes, and what the hardware could do."""

    tokens: int
    operations: float
    peak: float
    """Operations a second of a plain matrix product here."""


class Progress:
    """A bar on the terminal; `work` adds the speed, None leaves it out."""

    def __init__(
        self, title: str, done: int, updates: int, work: Work | None, *, shown: bool
    ) -> None:
        self._work = work
        self._updates = updates
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

    def advance(self, loss: float) -> None:
        """One more update is done; the bar itself shows the time that is left."""
        self._bar.update()
        shown = {"loss": f"{loss:.3f}"}
        if speed := self.speed():
            shown["tokens/s"] = f"{speed['tokens_per_second']:,.0f}"
            shown["of the peak"] = f"{speed['utilisation']:.0%}"
        self._bar.set_postfix(shown, refresh=False)

    def speed(self) -> dict[str, float]:
        """Tokens a second, the share of the peak, and the hours left; at first nothing."""
        rate = self._bar.format_dict["rate"]  # updates a second, those of late
        if not (self._work and rate):
            return {}
        return {
            "tokens_per_second": self._work.tokens * rate,
            "utilisation": self._work.operations * rate / self._work.peak,
            "hours_left": (self._updates - self._bar.n) / rate / 3600,
        }
