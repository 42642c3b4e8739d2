"""The language model's loss from its last states, without the logits of all tokens at once."""

from typing import Any

import torch
from torch import Tensor

CHUNK = 1024
"""Tokens whose logits are held at once: at the paper's vocabulary, 166 MB in fp32."""


def linear_cross_entropy(states: Tensor, weight: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
    """The sum over N tokens of `scale` times the cross-entropy of `states @ weight.T`, in nats.

    `states` (N, C), `weight` (V, C), `targets` int64 (N,), `scale` fp32 (N,). Under autocast the
    products are taken in its type; the softmax and the sums are always fp32.
    """
    return _LinearCrossEntropy.apply(states, weight, targets, scale)


class _LinearCrossEntropy(torch.autograd.Function):
    """A chunk's gradient is taken while its logits are at hand, so nothing is computed twice."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
        dtype = states.dtype
        if torch.is_autocast_enabled(states.device.type):
            dtype = torch.get_autocast_dtype(states.device.type)
        product_states, product_weight = states.to(dtype), weight.to(dtype)
        wanted = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        states_gradient = torch.empty_like(states) if wanted else None
        weight_gradient = torch.zeros_like(weight) if wanted else None
        loss = torch.zeros((), device=states.device)
        for start in range(0, len(targets), CHUNK):
            part = slice(start, start + CHUNK)
            rows = product_states[part]  # (n, C)
            logits = (rows @ product_weight.T).float()  # (n, V)
            normaliser = logits.logsumexp(-1, keepdim=True)  # (n, 1)
            target = targets[part, None]  # (n, 1)
            losses = (normaliser - logits.gather(-1, target)).squeeze(-1)  # (n,)
            loss += (losses * scale[part]).sum()  # autocast would round a product to bf16
            if states_gradient is not None and weight_gradient is not None:
                logits.sub_(normaliser).exp_()  # now the probabilities
                logits.scatter_add_(-1, target, torch.full_like(normaliser, -1.0))
                gradient = logits.mul_(scale[part, None]).to(dtype)
                states_gradient[part] = gradient @ product_weight
                weight_gradient += gradient.T @ rows
        ctx.save_for_backward(states_gradient, weight_gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        states_gradient, weight_gradient = ctx.saved_tensors
        return upstream[0] * states_gradient, upstream[0] * weight_gradient, None, None
