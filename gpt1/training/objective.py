"""What the training loop trains."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor, nn

from gpt1.training.cost import Peak

MicroBatch = TypeVar("MicroBatch")


@dataclass(frozen=True)
class UpdateCost:
    """What one update takes, and what the hardware can do."""

    tokens: int
    operations: float
    """Floating-point operations of each process."""
    peak: Peak
    """Of the device of each process."""


class Objective(ABC, Generic[MicroBatch]):
    """A model, the micro-batches of each update, and the loss on one of them."""

    model: nn.Module
    updates: int
    losses: tuple[str, ...] = ("loss",)
    """Names of what `loss` returns, in the order of the curve's columns; "loss" is minimised."""
    update_cost: UpdateCost | None = None
    """For the speed in the progress bar and in callbacks; None leaves it out."""

    @abstractmethod
    def micro_batches(self, update: int) -> Sequence[MicroBatch]:
        """The micro-batches of an update, counted from 0: a pure function of its number."""

    @abstractmethod
    def loss(self, micro_batch: MicroBatch) -> dict[str, Tensor]:
        """Scalars named as `losses`.

        Each is scaled so that the micro-batches of an update add up to the update's loss.
        """
