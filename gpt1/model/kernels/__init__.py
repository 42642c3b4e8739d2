"""The costly operations of the network, each in the form that suits the device.

| operation | the formula | form on the CPU | form on accelerators |
|---|---|---|---|
| `causal_attention` | softmax(q k' / sqrt(D)) v, without later keys | in training, blocks of queries | PyTorch's kernel |
| `gelu_linear` | `F.linear(F.gelu(x), weight, bias)` | recomputes the GELU | PyTorch's kernels |
| `linear_cross_entropy` | `F.cross_entropy(F.linear(states, weight), targets)` | chunks of 512 tokens | chunks of 8,192 |

`cpu.py` has the forms for the CPU, `accelerator.py` that of the loss. Only here and in
`cross_entropy.py`, which both share, is a form chosen.
"""  # noqa: E501

import torch.nn.functional as F
from torch import Tensor

from gpt1.model.kernels import cpu
from gpt1.model.kernels.cross_entropy import TokenLosses, linear_cross_entropy

__all__ = ["TokenLosses", "causal_attention", "gelu_linear", "linear_cross_entropy"]


def causal_attention(q: Tensor, k: Tensor, v: Tensor, dropout: float) -> Tensor:
    """softmax(q k' / sqrt(D)) v, each of (B, H, T, D), where a query attends to no later key.

    A single query is the last one of its sequence and attends to all keys.
    With dropout, PyTorch's kernel leaves its fast path on the CPU, hence the blocks there.
    """
    if dropout and q.device.type == "cpu":
        return cpu.causal_attention(q, k, v, dropout)
    return F.scaled_dot_product_attention(q, k, v, None, dropout, is_causal=q.shape[2] > 1)


def gelu_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`F.linear(F.gelu(x), weight, bias)`: x (..., C), weight (D, C), bias (D,) to (..., D)."""
    if x.device.type == "cpu":
        return cpu.gelu_linear(x, weight, bias)
    return F.linear(F.gelu(x, approximate=cpu.GELU), weight, bias)
