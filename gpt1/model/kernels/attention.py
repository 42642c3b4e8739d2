"""Causal attention with dropout, for the CPU."""

import math

import torch
from torch import Tensor

from gpt1.model.kernels.recomputed import dropout_matmul

QUERY_BLOCK = 64


def query_block_attention(q: Tensor, k: Tensor, v: Tensor, dropout: float) -> Tensor:
    """softmax(q k' / sqrt(D)) v, each of (B, H, T, D), where a query attends to no later key.

    A block of queries meets only the keys up to its end: half of the products that a mask over all
    keys would cost. The probabilities of a block are held at once, (B, H, QUERY_BLOCK, T).
    """
    T, D = q.shape[-2:]
    q = q / math.sqrt(D)
    mixed = []
    for start in range(0, T, QUERY_BLOCK):
        end = min(start + QUERY_BLOCK, T)
        scores = q[:, :, start:end] @ k[:, :, :end].transpose(-2, -1)
        later = torch.ones(end - start, end, dtype=torch.bool, device=q.device).triu(start + 1)
        probabilities = scores.masked_fill_(later, -torch.inf).softmax(-1)  # (B, H, block, end)
        mixed.append(dropout_matmul(probabilities, v[:, :, :end], dropout))
    return torch.cat(mixed, dim=2)
