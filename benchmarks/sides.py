"""An update of pretraining, as different code computes it: the sides of pretraining.py and gpu.py.

All have every dropout of the paper and fused AdamW, and run under autocast where bf16 is asked for.
`nanogpt` is a network of nanoGPT's shape, written again: normalisation before each part, PyTorch's
attention, full logits; compiled as a whole, as nanoGPT's users run it.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import OpenAIGPTLMHeadModel

from gpt1.model.transformer import GPT, GPTConfig, initialise
from gpt1.training.compilation import compile_parts
from gpt1.training.optimizer import adamw

SIDES = ("transformers", "nanogpt", "gpt1", "gpt1, compiled")
Step = Callable[[], None]


def training_step(
    side: str, config: GPTConfig, batch: int, precision: str, device: torch.device
) -> Step:
    """One update of `side` on random tokens: forward, backward, AdamW."""
    torch.manual_seed(0)
    ours = GPT(config).train()
    tokens = torch.randint(config.vocab, (batch, config.context + 1)).to(device)
    model: nn.Module = ours.to(device)
    if side == "transformers":
        with tempfile.TemporaryDirectory() as folder:
            ours.save(Path(folder))
            model = OpenAIGPTLMHeadModel.from_pretrained(folder).train().to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=2.5e-4, weight_decay=0.01, fused=True)

        def loss() -> Tensor:
            return model(tokens[:, :-1], labels=tokens[:, :-1]).loss
    elif side == "nanogpt":
        model = NanoGPT(config).train().to(device)
        model.compile()
        optimizer = adamw(model, weight_decay=0.01)

        def loss() -> Tensor:
            return model(tokens[:, :-1], tokens[:, 1:])
    else:
        if side == "gpt1, compiled":
            compile_parts(ours)
        optimizer = adamw(ours, weight_decay=0.01)

        def loss() -> Tensor:
            return ours.loss(ours.states(tokens[:, :-1]), tokens[:, 1:])

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            value = loss()
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


class NanoGPT(nn.Module):
    """The sizes of `config`, and a vocabulary that is filled up to a multiple of 64."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        width, rate = config.width, config.dropout
        self.heads, self.rate = config.heads, rate
        self.tokens = nn.Embedding(-(-config.vocab // 64) * 64, width)
        self.positions = nn.Embedding(config.context, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * config.layers + 1))
        self.qkv = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(config.layers))
        self.projection = nn.ModuleList(nn.Linear(width, width) for _ in range(config.layers))
        self.expand = nn.ModuleList(nn.Linear(width, 4 * width) for _ in range(config.layers))
        self.contract = nn.ModuleList(nn.Linear(4 * width, width) for _ in range(config.layers))
        self.apply(initialise)

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of int64 (B, T) targets."""
        B, T = tokens.shape
        x = self.tokens(tokens) + self.positions.weight[:T]
        x = F.dropout(x, self.rate, self.training)
        for layer, qkv in enumerate(self.qkv):
            q, k, v = (
                each.view(B, T, self.heads, -1).transpose(1, 2)
                for each in qkv(self.norms[2 * layer](x)).chunk(3, dim=-1)
            )
            rate = self.rate if self.training else 0.0
            mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=rate, is_causal=True)
            mixed = self.projection[layer](mixed.transpose(1, 2).reshape(B, T, -1))
            x = x + F.dropout(mixed, self.rate, self.training)
            active = F.gelu(self.expand[layer](self.norms[2 * layer + 1](x)))
            x = x + F.dropout(self.contract[layer](active), self.rate, self.training)
        logits = self.norms[-1](x) @ self.tokens.weight.T
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())
