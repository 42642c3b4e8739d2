"""The network of GPT-1: a decoder-only transformer that normalises after each residual sum.

Section 3.1 of "Improving Language Understanding by Generative Pre-Training" (Radford et al., 2018),
whose equations are those of Vaswani et al. (2017) without the encoder.

Shapes: B sequences, T tokens each, C = width, H heads of size D = C / H, V = vocabulary.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt1.model import files
from gpt1.model.language_model import INITIAL_DEVIATION, LanguageModel
from gpt1.model.recomputed import dropped_product, gelu_linear

QUERY_BLOCK = 64
Extend = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class GPTConfig:
    """The paper's size is 12 layers of width 768, 12 heads, 512 positions, dropout 0.1."""

    vocab: int
    layers: int
    width: int
    heads: int
    context: int
    dropout: float


class GPT(LanguageModel):
    """A language model: token and position embeddings, blocks, and the token embedding again."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab, config.width)
        self.positions = nn.Embedding(config.context, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.apply(initialise)

    def states(
        self,
        tokens: Tensor,
        positions: Tensor | None = None,
        visible: Tensor | None = None,
        *,
        cache: "Cache | None" = None,
    ) -> Tensor:
        """The last block's output for every token: (B, T) to (B, T, C).

        A row may hold several texts that share their beginning: `positions`, int64 (B, T), then
        says where each token stands in its text, and `visible`, bool (B, 1, T, T), which tokens it
        sees. By default a row is one text, and a token sees itself and those before it.
        With a cache, `tokens` follow those that it has seen: a whole prompt first, then one by one.
        """
        if positions is None:
            start = cache.length if cache else 0
            positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)  # (T,)
        x = self.dropout(self.tokens(tokens) + self.positions(positions))  # (B, T, C)
        for layer, block in enumerate(self.blocks):
            x = block(x, visible, cache.layer(layer) if cache else None)
        if cache:
            cache.length += tokens.shape[1]
        return x

    def new_cache(self, batch: int) -> "Cache":
        """An empty cache for `batch` sequences, as long as the context."""
        weight, size = self.tokens.weight, self.config.width // self.config.heads
        shape = (self.config.layers, 2, batch, self.config.heads, self.config.context, size)
        return Cache(torch.empty(shape, device=weight.device, dtype=weight.dtype))

    def save(self, directory: Path) -> None:
        """Write `config.json` and `model.safetensors`, which `transformers` opens too."""
        files.save_transformer(directory, vars(self.config), self.state_dict())

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a model directory, ours or one of `transformers`; in evaluation mode."""
        config, tensors = files.load_transformer(directory)
        with torch.device("meta"):
            model = cls(GPTConfig(**config))
        files.fill(model, tensors, directory)
        return model


class Block(nn.Module):
    """Attention, then a feed-forward layer, each added to its input and normalised."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.attention_norm = nn.LayerNorm(config.width, eps=1e-5)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.width, eps=1e-5)

    def forward(  # (B, T, C) to (B, T, C)
        self, x: Tensor, visible: Tensor | None = None, extend: "Extend | None" = None
    ) -> Tensor:
        x = self.attention_norm(x + self.attention(x, visible, extend))
        return self.feed_forward_norm(x + self.feed_forward(x))


class Attention(nn.Module):
    """Masked multi-head self-attention."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.queries_keys_values = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(  # (B, T, C) to (B, T, C)
        self, x: Tensor, visible: Tensor | None = None, extend: "Extend | None" = None
    ) -> Tensor:
        B, T, C = x.shape
        split = self.queries_keys_values(x).view(B, T, 3, self.heads, C // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)  # each (B, H, T, D)
        if extend:
            k, v = extend(k, v)  # those of the whole sequence so far
        dropout = self.dropout.p if self.training else 0.0
        if visible is None:
            mixed = causal_attention(q, k, v, dropout)  # (B, H, T, D)
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, visible, dropout)
        return self.dropout(self.output(mixed.transpose(1, 2).reshape(B, T, C)))


class FeedForward(nn.Module):
    """Two linear layers with a GELU between them, four times as wide inside."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.width, 4 * config.width)
        self.contract = nn.Linear(4 * config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, C) to (B, T, C)
        return self.dropout(gelu_linear(self.expand(x), self.contract.weight, self.contract.bias))


def causal_attention(q: Tensor, k: Tensor, v: Tensor, dropout: float) -> Tensor:
    """softmax(q k' / sqrt(D)) v, each of (B, H, T, D), where a query sees no later key.

    A single query is the last one, and sees all keys.
    Dropout of the probabilities takes PyTorch's own kernel off its fast path on the CPU, so there
    a block of queries at a time meets the keys up to its end: half the work of a mask.
    """
    if not dropout or q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, None, dropout, is_causal=q.shape[2] > 1)
    T, D = q.shape[-2:]
    q = q / math.sqrt(D)
    mixed = []
    for start in range(0, T, QUERY_BLOCK):
        end = min(start + QUERY_BLOCK, T)
        scores = q[:, :, start:end] @ k[:, :, :end].transpose(-2, -1)
        later = torch.ones(end - start, end, dtype=torch.bool, device=q.device).triu(start + 1)
        probabilities = scores.masked_fill_(later, -torch.inf).softmax(-1)  # (B, H, block, end)
        mixed.append(dropped_product(probabilities, v[:, :, :end], dropout))
    return torch.cat(mixed, dim=2)


class Cache:
    """The keys and values of the tokens seen so far: `length` of them, for each layer."""

    def __init__(self, room: Tensor) -> None:
        self.room = room  # (layers, 2, B, H, context, D)
        self.length = 0

    def layer(self, index: int) -> "Extend":
        """What takes a layer's new keys and values, (B, H, T, D), and gives back all of them."""

        def extend(k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
            keys, values = self.room[index, :, :, :, : self.length + k.shape[2]]
            keys[:, :, self.length :], values[:, :, self.length :] = k, v
            return keys, values

        return extend


def initialise(module: nn.Module) -> None:
    """Weights and embeddings from N(0, 0.02), biases 0, gains 1 (section 4.1)."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_DEVIATION)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
