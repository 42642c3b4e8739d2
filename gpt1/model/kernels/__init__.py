"""The costly operations of the network, each in the form that suits the device.

| operation | the formula | form on the CPU | form on accelerators |
|---|---|---|---|
| `causal_attention` | softmax(q k' / sqrt(D)) v, without later keys | in training, blocks of queries | PyTorch's kernel |
| `gelu_linear` | `F.linear(F.gelu(x), weight, bias)` | recomputes the GELU | the same |
| `linear_cross_entropy` | `F.cross_entropy(F.linear(states, weight), targets)` | chunks of tokens | the same |

This is the only place that chooses by device.
"""  # noqa: E501

import torch.nn.functional as F
from torch import Tensor

from gpt1.model.kernels.attention import query_block_attention
from gpt1.model.kernels.cross_entropy import linear_cross_entropy
from gpt1.model.kernels.recomputed import gelu_linear

__all__ = ["causal_attention", "gelu_linear", "linear_cross_entropy"]


def causal_attention(q: Tensor, k: Tensor, v: Tensor, dropout: float) -> Tensor:
    """softmax(q k' / sqrt(D)) v, each of (B, H, T, D), where a query attends to no later key.

    A single query is the last one of its sequence and attends to all keys.
    With dropout, PyTorch's kernel leaves its fast path on the CPU, hence the blocks there.
    """
    if dropout and q.device.type == "cpu":
        return query_block_attention(q, k, v, dropout)
    return F.scaled_dot_product_attention(q, k, v, None, dropout, is_causal=q.shape[2] > 1)
