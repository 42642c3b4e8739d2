"""The loss of `gpt1.model.kernels` in the form that suits a GPU; the others are PyTorch's own.

There bandwidth and the launches of kernels are the limit, and arithmetic is not: so PyTorch's own
fused kernels, and few of them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

TOKENS_AT_ONCE = 8192
"""Whose logits the loss holds: 0.7 GB in bf16 with the paper's vocabulary, 3.3 GB at the peak with
those in fp32 where nothing is compiled."""


def token_losses(
    states: Tensor, weight: Tensor, targets: Tensor, *, wanted: bool
) -> tuple[Tensor, Tensor | None]:
    """As `TokenLosses`: a row a token, which the softmax reads along."""
    target = targets[:, None]
    logarithms = F.log_softmax(states @ weight.T, dim=1, dtype=torch.float32)  # (n, V)
    losses = -logarithms.gather(1, target)[:, 0]
    if not wanted:
        return losses, None
    # Compiled, a comparison is part of the same kernel; a scatter would be one of its own.
    right = torch.arange(len(weight), device=weight.device) == target  # (n, V)
    return losses, logarithms.exp_().add_(right, alpha=-1).to(states.dtype)
