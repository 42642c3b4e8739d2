"""What is made again gives the gradients of what is kept, and takes less memory."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gpt1.model.kernels.cpu import dropout_matmul, gelu_linear

RATE = 0.25


def plain_product(scores: Tensor, values: Tensor) -> Tensor:
    return F.dropout(scores.softmax(-1), RATE) @ values


def our_product(scores: Tensor, values: Tensor) -> Tensor:
    return dropout_matmul(scores.softmax(-1), values, RATE)


def plain_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(F.gelu(x, approximate="tanh"), weight, bias)


PAIRS = [
    (plain_product, our_product, [(2, 3, 8, 40), (2, 3, 40, 16)]),
    (plain_linear, gelu_linear, [(2, 5, 64), (16, 64), (16,)]),
]
pairs = pytest.mark.parametrize(("plain", "ours", "shapes"), PAIRS, ids=["product", "linear"])


def outcome(
    function: Callable[..., Tensor], inputs: list[Tensor], bf16: bool
) -> tuple[list[Tensor], int]:
    """The value and every gradient, and the bytes that were kept for them beside the inputs."""
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(1)
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=bf16),
    ):
        value = function(*inputs)
    value.float().square().sum().backward()
    for tensor in inputs:
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    gradients = [tensor.grad for tensor in inputs if tensor.grad is not None]
    return [value, *gradients], sum(kept.values())


@pytest.mark.parametrize("bf16", [False, True])
@pairs
def test_value_and_gradients_are_the_same_in_fp32_to_the_bit(
    plain: Callable[..., Tensor],
    ours: Callable[..., Tensor],
    shapes: list[tuple[int, ...]],
    bf16: bool,
) -> None:
    inputs = [torch.rand(shape) for shape in shapes]
    if bf16:  # as a linear layer under autocast gives them
        inputs = [each.bfloat16() if each.dim() > 2 else each for each in inputs]
    (expected, kept), (found, less) = (outcome(f, inputs, bf16) for f in (plain, ours))
    assert len(found) == len(inputs) + 1
    for mine, theirs in zip(found, expected, strict=True):
        if bf16:  # PyTorch rounds the scale of its dropout to bf16
            torch.testing.assert_close(mine, theirs, rtol=2**-6, atol=2**-6)
        else:
            assert torch.equal(mine, theirs)
    assert less < kept


@pairs
def test_gradients_are_those_of_finite_differences(
    plain: Callable[..., Tensor], ours: Callable[..., Tensor], shapes: list[tuple[int, ...]]
) -> None:
    def seeded(*inputs: Tensor) -> Tensor:
        torch.manual_seed(1)
        return ours(*inputs)

    small = [tuple(min(size, 4) for size in shape) for shape in shapes]
    inputs = [torch.rand(shape, dtype=torch.float64, requires_grad=True) for shape in small]
    assert torch.autograd.gradcheck(seeded, inputs)
