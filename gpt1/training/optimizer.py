"""Adam with decoupled weight decay (Loshchilov and Hutter, 2017), as section 4.1 uses it."""

import torch
from torch import nn


def adamw(model: nn.Module, *, weight_decay: float) -> torch.optim.AdamW:
    """AdamW with betas 0.9 and 0.999; the loop sets the learning rate before each update.

    Weights and embeddings (matrices) decay; biases and gains (vectors) do not.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.999), eps=1e-8, fused=True)
