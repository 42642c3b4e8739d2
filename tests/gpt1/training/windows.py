"""A small objective for tests of the training loop."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from gpt1.model.language_model import LanguageModel
from gpt1.training.loop import Optimization
from gpt1.training.objective import Objective

OPTIMIZATION = Optimization(
    learning_rate=lambda update: 1e-2, weight_decay=0.01, clip=1.0, precision="fp32", seed=1
)


@dataclass
class Windows(Objective[Tensor]):
    """A language model that is trained on given windows, int64 (micro_batch, context + 1)."""

    model: LanguageModel
    updates: int
    windows: Callable[[int], Sequence[Tensor]]
    """The micro-batches of an update."""
    batch: int
    """Windows in an update."""
    pause: float = 0.0
    """Seconds, so that a signal arrives during a micro-batch."""

    def micro_batches(self, update: int) -> Sequence[Tensor]:
        return self.windows(update)

    def loss(self, windows: Tensor) -> dict[str, Tensor]:
        time.sleep(self.pause)
        mean = self.model.loss(self.model.states(windows[:, :-1]), windows[:, 1:])
        return {"loss": mean * len(windows) / self.batch}
