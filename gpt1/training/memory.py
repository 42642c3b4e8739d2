"""Measure memory, recognise that it is too small, and find a micro-batch that fits."""

import resource
from collections.abc import Callable

import torch
from torch import Tensor, nn


def peak_memory(device: torch.device) -> int:
    """Bytes that this process held at most: tensors on an accelerator, all of it on the CPU.

    0 for an accelerator of which PyTorch does not count them.
    """
    if device.type == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
    # torch.accelerator's function fails where the backend has no caching allocator.
    count = getattr(torch.get_device_module(device), "max_memory_allocated", lambda _: 0)
    return int(count(device))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an accelerator or this machine ran out of memory."""
    said = ("can't allocate memory", "ALLOC_FAILED")  # of the CPU, of cuBLAS
    return isinstance(error, torch.OutOfMemoryError) or any(each in str(error) for each in said)


def suggest_micro_batch(loss: Callable[[int], Tensor], rows: int, model: nn.Module) -> str:
    """The largest divisor of `rows` that fits, as a message.

    Runs a backward pass of `loss` for each candidate, with AdamW's two moments allocated.
    """
    for tried in (part for part in range(rows - 1, 0, -1) if rows % part == 0):
        model.zero_grad()
        try:
            _ = [torch.zeros_like(p) for p in model.parameters() for _ in range(2)]
            loss(tried).backward()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        else:
            return f"{tried} fits"
    return "not even 1 fits: take a smaller model or context"
