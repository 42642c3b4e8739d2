"""Cross-entropy of a linear output layer that never holds the logits of all tokens at once."""

from typing import Any

import torch
from torch import Tensor, nn

from gpt1.model.kernels import accelerator, cpu


class TokenLosses(nn.Module):
    """Losses of some tokens and their gradients, from the logits; it has no weights.

    A module of its own so that it can be compiled: into two kernels on an accelerator.
    """

    def forward(
        self, states: Tensor, weight: Tensor, targets: Tensor, *, wanted: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Of states (n, C), weight (V, C) and targets int64 (n,).

        Losses in nats, fp32 (n,); where it is wanted, the gradient of their sum by the logits,
        (n, V), of the type of `states`.
        """
        kernel = cpu if states.device.type == "cpu" else accelerator
        return kernel.token_losses(states, weight, targets, wanted=wanted)


def linear_cross_entropy(
    states: Tensor, weight: Tensor, targets: Tensor, scale: Tensor, token_losses: TokenLosses
) -> Tensor:
    """Cross-entropy of `states @ weight.T`, in nats, summed over N tokens with weights `scale`.

    `states` (N, C), `weight` (V, C), `targets` int64 (N,), `scale` fp32 (N,). Autocast sets the
    type of the products; the softmax and the sums are always fp32.
    """
    if not torch.is_grad_enabled():  # the forward pass computes a gradient for what requires one
        states, weight = states.detach(), weight.detach()
    return _LinearCrossEntropy.apply(states, weight, targets, scale, token_losses)


class _LinearCrossEntropy(torch.autograd.Function):
    """The forward pass computes the gradients of a chunk too, while it holds the logits.

    So the backward pass recomputes nothing.
    """

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        states, weight, targets, scale, token_losses = given
        device, dtype = states.device.type, states.dtype
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        chunk = (cpu if device == "cpu" else accelerator).TOKENS_AT_ONCE
        product_states, product_weight = states.to(dtype), weight.to(dtype)
        loss = torch.zeros((), device=states.device)
        wanted = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        states_gradient = torch.empty_like(states if wanted else loss)
        weight_gradient = torch.zeros_like(weight if wanted else loss)
        for start in range(0, len(targets), chunk):
            part = slice(start, start + chunk)
            rows, weights = product_states[part], scale[part]
            losses, gradient = token_losses(rows, product_weight, targets[part], wanted=wanted)
            loss += (losses * weights).sum()  # autocast would round a dot product
            if wanted:
                column = weights[:, None]
                states_gradient[part] = (gradient @ product_weight) * column
                rows = (rows * column).to(dtype)
                if dtype == weight_gradient.dtype:
                    weight_gradient.addmm_(gradient.T, rows)
                else:
                    weight_gradient += gradient.T @ rows
        ctx.save_for_backward(states_gradient, weight_gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        states_gradient, weight_gradient = ctx.saved_tensors
        return states_gradient.mul_(upstream[0]), weight_gradient.mul_(upstream[0]), *[None] * 3
