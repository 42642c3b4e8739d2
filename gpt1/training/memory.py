"""When memory is too small: how to tell, and what would fit."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def out_of_memory(error: RuntimeError) -> bool:
    """Whether a device, or this machine itself, had no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def that_fits(loss: Callable[[int], Tensor], rows: int, model: nn.Module) -> str:
    """Which part of `rows` rows has room beside Adam's two moments, found by trying."""
    for tried in (part for part in range(rows - 1, 0, -1) if rows % part == 0):
        model.zero_grad()
        try:
            _ = [torch.zeros_like(p) for p in model.parameters() for _ in range(2)]
            loss(tried).backward()
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
        else:
            return f"{tried} fits"
    return "not even 1 fits: take a smaller model or context"
