"""The interface of a language model, and what does not depend on the network."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt1.model.kernels import TokenLosses, linear_cross_entropy

INITIAL_DEVIATION = 0.02


class LanguageModel(nn.Module):
    """A network that turns tokens into states; the token embedding is the output layer too.

    Shapes: B sequences, T tokens each, C = width, V = vocabulary.
    """

    config: Any
    tokens: nn.Embedding

    def __init__(self) -> None:
        super().__init__()
        self.token_losses = TokenLosses()

    def states(self, tokens: Tensor, *, cache: Any = None) -> Tensor:
        """The last layer's output for each token: int64 (B, T) to (B, T, C).

        `tokens` continue those that `cache` has seen: first the whole prompt, then one at a time.
        """
        raise NotImplementedError

    def new_cache(self, batch: int) -> Any:
        """An empty cache for `batch` sequences; its `length` counts the tokens that it has seen."""
        raise NotImplementedError

    def save(self, directory: Path) -> None:
        """Write `config.json` and `model.safetensors`."""
        raise NotImplementedError

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote, in evaluation mode. Raises UserError for a damaged directory."""
        raise NotImplementedError

    def forward(self, tokens: Tensor) -> Tensor:
        """Next-token logits: int64 (B, T), T at most the context, to (B, T, V)."""
        return F.linear(self.states(tokens), self.tokens.weight)

    def loss(self, states: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Cross-entropy of `targets` as the tokens that follow `states`, in nats.

        States (B, T, C) with targets int64 (B, T), or (N, C) with (N,). The mean over all targets,
        or with `weights`, of the targets' shape, their weighted sum. The logits of all targets are
        never held at once.
        """
        targets = targets.reshape(-1)
        if weights is None:
            weights = torch.full(targets.shape, 1 / targets.numel(), device=states.device)
        states = states.reshape(targets.numel(), -1)
        weights, output = weights.reshape(-1), self.tokens.weight
        return linear_cross_entropy(states, output, targets, weights, self.token_losses)

    def add_special_tokens(self, count: int) -> None:
        """Append `count` rows to the token embedding, drawn from N(0, 0.02)."""
        rows = torch.randn(count, self.config.width, device=self.tokens.weight.device)
        weight = torch.cat([self.tokens.weight.detach(), rows * INITIAL_DEVIATION])
        self.tokens = nn.Embedding.from_pretrained(weight, freeze=False)
        self.config = replace(self.config, vocab=len(weight))
