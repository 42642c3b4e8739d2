"""What training costs: floating-point operations, and the rate of this machine."""

import sys
import time
from dataclasses import dataclass

import torch

from gpt1.model.lstm import LSTMConfig
from gpt1.model.transformer import GPTConfig
from gpt1.training.peaks import Precision, card

SHAPE = (2048, 768, 3072)
"""The matrix product that measures the peak: the paper's feed-forward layer on 4 x 512 tokens."""
SMALL = (64, 768, 768)
"""A product that takes less than a second even where the precision is emulated."""
EMULATED = 1.3
"""A precision this many times slower than fp32 is emulated: with hardware for it, it is faster."""
PRECISIONS = {"bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True)
class Peak:
    """Floating-point operations a second that a device does at best."""

    rate: float
    published: bool
    """By its maker (`gpt1.training.peaks`); else measured, that of a plain matrix product."""


def training_operations(config: GPTConfig | LSTMConfig) -> float:
    """Floating-point operations to train on one token, forward and backward.

    6 for each weight in a matrix product (token embeddings count once, as the output layer;
    positions, biases and gains do not), plus causal attention, whose two products cover half of the
    context on average. Recomputation, softmax and the optimizer are left out.
    """
    output = config.vocab * config.width
    if isinstance(config, LSTMConfig):
        return 6.0 * (8 * config.layers * config.width**2 + output)
    attention = config.layers * config.width * config.context
    return 6.0 * (12 * config.layers * config.width**2 + output + attention)


def peak(device: torch.device, precision: Precision) -> Peak:
    """The published peak of `device`; of one that is not listed, and of a CPU, a measured rate."""
    if device.type == "cuda":
        listed = card(torch.cuda.get_device_name(device))
        if listed and (rate := listed.peak(precision)):
            return Peak(rate, published=True)
    return Peak(product_rate(device, PRECISIONS[precision]), published=False)


def product_rate(
    device: torch.device,
    dtype: torch.dtype,
    seconds: float = 0.2,
    shape: tuple[int, int, int] = SHAPE,
) -> float:
    """Operations a second of a plain matrix product: the best of runs in `seconds`."""
    if shape is not SMALL and emulation(device, dtype) > EMULATED:
        shape = SMALL
    rows, inner, columns = shape
    left = torch.randn(rows, inner, device=device, dtype=dtype)
    right = torch.randn(inner, columns, device=device, dtype=dtype)
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        left @ right
        if device.type != "cpu":
            torch.accelerator.synchronize()
        best = max(best, 2 * rows * inner * columns / (time.perf_counter() - start))
    return best


def warn_if_emulated(device: torch.device, precision: Precision) -> None:
    """Print how slow `precision` is where the hardware has no instructions for it."""
    slower = emulation(device, PRECISIONS[precision])
    if slower > EMULATED:
        print(
            f"warning: precision: {precision} is only emulated here; its matrix products take "
            f"{slower:.0f} times as long as those of fp32",
            file=sys.stderr,
        )


def emulation(device: torch.device, dtype: torch.dtype) -> float:
    """Time of a matrix product relative to fp32; above EMULATED, `dtype` is emulated."""
    if dtype is torch.float32:
        return 1.0
    rates = [product_rate(device, each, 0.05, SMALL) for each in (torch.float32, dtype)]
    return rates[0] / rates[1]
