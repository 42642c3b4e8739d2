"""Products whose backward pass makes one factor again, where keeping it would cost more memory.

The factor is cheap to make: a masked copy, an activation. In fp32 all gradients are the same to
the bit.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

GELU = "tanh"
"""The approximation that the released code has."""


def dropped_product(probabilities: Tensor, values: Tensor, rate: float) -> Tensor:
    """`F.dropout(probabilities, rate) @ values`, which keeps the mask and not the dropped ones."""
    kept = torch.empty_like(probabilities, dtype=torch.bool).bernoulli_(1 - rate)
    return _DroppedProduct.apply(probabilities, kept, values, 1 / (1 - rate))


def gelu_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`F.linear(F.gelu(x), weight, bias)`, which keeps `x` and not its GELU."""
    return _GELULinear.apply(x, weight, bias)


class _DroppedProduct(Function):
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
        of_dropped = (gradient @ values.transpose(-2, -1)).to(probabilities.dtype)
        of_probabilities = of_dropped.mul_(kept).mul_(ctx.scale)
        return of_probabilities, None, dropped.transpose(-2, -1) @ gradient, None


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
        of_weight = rows.T @ F.gelu(x, approximate=GELU).flatten(0, -2)
        of_active = gradient @ weight.to(gradient.dtype)  # under autocast the weight stays fp32
        of_x = torch.ops.aten.gelu_backward(of_active, x, approximate=GELU)
        return of_x, of_weight, rows.sum(0)
