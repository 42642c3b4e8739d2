"""Numbers on their way from the device to the host."""

import torch
from torch import Tensor


class Readback:
    """A copy of a tensor for the host, which goes on while the device still computes it.

    A plain `.tolist()` would wait for all that the device has been given, and it would then have
    nothing to do until the host gives it more.
    """

    def __init__(self, numbers: Tensor) -> None:
        self._numbers = numbers.to("cpu", non_blocking=True)  # of an accelerator: pinned memory
        self._copied = None
        if numbers.device.type != "cpu":
            self._copied = torch.Event(numbers.device.type)
            self._copied.record()

    def values(self) -> list[float]:
        """Wait for the copy, and for nothing that the device was given after it."""
        if self._copied:
            self._copied.synchronize()
        return self._numbers.tolist()
