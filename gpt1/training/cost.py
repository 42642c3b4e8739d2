"""What training costs: operations, and the rate at which this machine does them."""

import time

import torch

from gpt1.model.transformer import GPTConfig

SHAPE = (2048, 768, 3072)
"""The matrix product that peaks are measured with: a feed-forward layer of the paper on 4 x 512."""


def training_operations(config: GPTConfig) -> float:
    """Floating-point operations to train on one token, forward and backward.

    6 for each weight in a matrix product (token embeddings count once, as the output layer;
    positions, biases and gains not at all), and causal attention: each of the two products meets
    half of the context on average. Recomputation, softmax and the optimizer are left out.
    """
    products = 12 * config.layers * config.width**2 + config.vocab * config.width
    attention = config.layers * config.width * config.context
    return 6.0 * (products + attention)


def product_rate(device: torch.device, dtype: torch.dtype, seconds: float = 0.2) -> float:
    """Operations a second of a plain matrix product, the best of repeated runs."""
    rows, inner, columns = SHAPE
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
