"""The operations of `gpt1.model.kernels` in the forms that suit a CPU.

There arithmetic is the limit, and bandwidth is not: so products are halved where a mask would throw
half of them away, and what is cheap to compute is computed again in the backward pass instead of
being kept. In fp32 such gradients have the same bits.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

GELU = "tanh"
"""The approximation of the released code."""
QUERY_BLOCK = 64
TOKENS_AT_ONCE = 512
"""Whose logits the loss holds: 83 MB in fp32 with the paper's vocabulary."""


def causal_attention(q: Tensor, k: Tensor, v: Tensor, dropout: float) -> Tensor:
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


def token_losses(
    states: Tensor, weight: Tensor, targets: Tensor, *, wanted: bool
) -> tuple[Tensor, Tensor | None]:
    """As `TokenLosses`. Logits are (V, n), a column a token: on the CPU this product is 1.5 times
    as fast as its transpose.
    """
    target = targets[None]  # (1, n)
    logits = (weight @ states.T).float()  # (V, n)
    greatest = logits.amax(0, keepdim=True)  # (1, n)
    right = logits.gather(0, target) - greatest  # (1, n)
    exponentials = logits.sub_(greatest).exp_()  # (V, n)
    total = exponentials.sum(0, keepdim=True)  # (1, n)
    losses = (total.log() - right)[0]
    if not wanted:
        return losses, None
    gradient = exponentials.div_(total).scatter_add_(0, target, -torch.ones_like(total))
    return losses, gradient.to(states.dtype).T


def dropout_matmul(probabilities: Tensor, values: Tensor, rate: float) -> Tensor:
    """`F.dropout(probabilities, rate) @ values`; saves the mask, not the masked copy."""
    kept = torch.empty_like(probabilities, dtype=torch.bool).bernoulli_(1 - rate)
    return _DropoutMatmul.apply(probabilities, kept, values, 1 / (1 - rate))


def gelu_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`F.linear(F.gelu(x), weight, bias)`; saves `x`, not its GELU."""
    return _GELULinear.apply(x, weight, bias)


class _DropoutMatmul(Function):
    @staticmethod
    def forward(ctx: Any, probabilities: Tensor, kept: Tensor, values: Tensor, scale: float) -> Any:
        ctx.save_for_backward(probabilities, kept, values)
        ctx.scale = scale
        return probabilities.mul(kept).mul_(scale) @ values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (gradient,) = gradients
        probabilities, kept, values = ctx.saved_tensors
        dropped = probabilities.mul(kept).mul_(ctx.scale).to(gradient.dtype)
        dropped_gradient = (gradient @ values.transpose(-2, -1)).to(probabilities.dtype)
        probabilities_gradient = dropped_gradient.mul_(kept).mul_(ctx.scale)
        return probabilities_gradient, None, dropped.transpose(-2, -1) @ gradient, None


class _GELULinear(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Any:
        ctx.save_for_backward(x, weight)
        return F.linear(F.gelu(x, approximate=GELU), weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        rows = gradient.flatten(0, -2)
        weight_gradient = rows.T @ F.gelu(x, approximate=GELU).flatten(0, -2)
        # Under autocast the gradient is bf16, and the weight stays fp32.
        active_gradient = gradient @ weight.to(gradient.dtype)
        x_gradient = torch.ops.aten.gelu_backward(active_gradient, x, approximate=GELU)
        return x_gradient, weight_gradient, rows.sum(0)
