"""What every language model here can do, whatever makes its states."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt1.model.cross_entropy import linear_cross_entropy

INITIAL_DEVIATION = 0.02


class LanguageModel(nn.Module):
    """States from tokens, and next-token logits from states by the token embedding.

    B sequences, T tokens each, C = width, V = vocabulary.
    """

    config: Any
    tokens: nn.Embedding

    def states(self, tokens: Tensor, *, cache: Any = None) -> Tensor:
        """The last layer's output for every token: int64 (B, T) to (B, T, C).

        With a cache, `tokens` follow those that it has seen: a whole prompt first, then one by one.
        """
        raise NotImplementedError

    def new_cache(self, batch: int) -> Any:
        """An empty cache for `batch` sequences; its `length` counts the tokens it has seen."""
        raise NotImplementedError

    def save(self, directory: Path) -> None:
        """Write `config.json` and `model.safetensors`."""
        raise NotImplementedError

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote; in evaluation mode."""
        raise NotImplementedError

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens, int64 (B, T) with T at most the context, to next-token logits (B, T, V)."""
        return F.linear(self.states(tokens), self.tokens.weight)

    def loss(self, states: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Cross-entropy, in nats, of the language model on `targets` after `states`.

        Targets int64 (B, T) after states (B, T, C), or (N,) after (N, C). The mean over all
        targets; with `weights` of their shape, the sum of each target's loss times its weight. The
        logits of all the targets are never held at once.
        """
        targets = targets.reshape(-1)
        if weights is None:
            weights = torch.full(targets.shape, 1 / targets.numel(), device=states.device)
        states = states.reshape(targets.numel(), -1)
        return linear_cross_entropy(states, self.tokens.weight, targets, weights.reshape(-1))

    def add_special_tokens(self, count: int) -> None:
        """Append `count` rows, drawn from N(0, 0.02), to the vocabulary."""
        rows = torch.randn(count, self.config.width, device=self.tokens.weight.device)
        weight = torch.cat([self.tokens.weight.detach(), rows * INITIAL_DEVIATION])
        self.tokens = nn.Embedding.from_pretrained(weight, freeze=False)
        self.config = replace(self.config, vocab=len(weight))
