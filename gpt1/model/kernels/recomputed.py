"""Matrix products that recompute one factor in the backward pass instead of keeping it.

The factor is cheap: a masked copy or an activation. This saves its memory, and in fp32 the
gradients have the same bits.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

GELU = "tanh"
"""The approximation of the released code."""


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
