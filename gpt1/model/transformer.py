"""The network of GPT-1: a decoder-only transformer that normalises after each residual sum.

Source: section 3.1 of "Improving Language Understanding by Generative Pre-Training" (Radford et
al., 2018), with the equations of Vaswani et al. (2017) without the encoder.

Shapes: B sequences, T tokens each, C = width, H heads of size D = C / H, V = vocabulary.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt1.model.directory import assign_weights
from gpt1.model.kernels import causal_attention, gelu_linear
from gpt1.model.language_model import INITIAL_DEVIATION, LanguageModel
from gpt1.model.openai_gpt import OPENAI_GPT, Layout

AppendKV = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Takes the keys and values of new tokens, returns those of the whole sequence so far."""


@dataclass(frozen=True, kw_only=True)
class GPTConfig:
    """The paper's size is 12 layers of width 768, 12 heads, 512 positions, dropout 0.1."""

    vocab: int
    layers: int
    width: int
    heads: int
    context: int
    dropout: float
    token_ids: Mapping[str, Any] = field(default_factory=dict)
    """Special tokens of an imported GPT-2, such as {"eos_token_id": 50256}; GPT-1 has none."""


class GPT(LanguageModel):
    """A language model: token and position embeddings, blocks, and the token embedding again."""

    LAYOUT: ClassVar[Layout] = OPENAI_GPT
    """Its names in a model directory."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab, config.width)
        self.positions = nn.Embedding(config.context, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(self.new_block() for _ in range(config.layers))
        self.apply(initialise)

    def new_block(self) -> "Block":
        return Block(self.config)

    def states(
        self,
        tokens: Tensor,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        cache: "KVCache | None" = None,
    ) -> Tensor:
        """The last block's output for each token: int64 (B, T) to (B, T, C).

        By default a row is one text, and a token attends to itself and those before it. A row that
        holds several texts with a common beginning needs `positions`, int64 (B, T), the place of
        each token in its text, and `mask`, bool (B, 1, T, T), True where a token attends.
        `tokens` continue those that `cache` has seen: first the whole prompt, then one at a time.
        """
        if positions is None:
            start = cache.length if cache else 0
            positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)  # (T,)
        x = self.dropout(self.tokens(tokens) + self.positions(positions))  # (B, T, C)
        for layer, block in enumerate(self.blocks):
            x = block(x, mask, partial(cache.append, layer) if cache else None)
        if cache:
            cache.length += tokens.shape[1]
        return x

    def new_cache(self, batch: int) -> "KVCache":
        """An empty cache for `batch` sequences; it has memory for the whole context."""
        weight, size = self.tokens.weight, self.config.width // self.config.heads
        shape = (self.config.layers, 2, batch, self.config.heads, self.config.context, size)
        return KVCache(torch.empty(shape, device=weight.device, dtype=weight.dtype))

    def save(self, directory: Path) -> None:
        """Write `config.json` and `model.safetensors`, which `transformers` opens too."""
        self.LAYOUT.save(directory, vars(self.config), self.state_dict())

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a directory that `save` or `transformers` wrote, in evaluation mode.

        Raises UserError when a file is missing or damaged, or for another network.
        """
        config, tensors = cls.LAYOUT.load(directory)
        with torch.device("meta"):  # allocates and initialises nothing: the weights are assigned
            model = cls(GPTConfig(**config))
        assign_weights(model, tensors, directory)
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
        self, x: Tensor, mask: Tensor | None = None, append: AppendKV | None = None
    ) -> Tensor:
        x = self.attention_norm(x + self.attention(x, mask, append))
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
        self, x: Tensor, mask: Tensor | None = None, append: AppendKV | None = None
    ) -> Tensor:
        B, T, C = x.shape
        split = self.queries_keys_values(x).view(B, T, 3, self.heads, C // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)  # each (B, H, T, D)
        if append:
            k, v = append(k, v)  # of the whole sequence so far
        dropout = self.dropout.p if self.training else 0.0
        if mask is None:
            mixed = causal_attention(q, k, v, dropout)  # softmax(q k' / sqrt(D)) v: (B, H, T, D)
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, mask, dropout)
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


class KVCache:
    """The keys and values of the tokens seen so far: `length` of them, for each layer."""

    def __init__(self, buffer: Tensor) -> None:
        self.buffer = buffer  # (layers, 2, B, H, context, D)
        self.length = 0

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store new keys and values, (B, H, T, D); return all of this layer so far."""
        keys, values = self.buffer[layer, :, :, :, : self.length + k.shape[2]]
        keys[:, :, self.length :], values[:, :, self.length :] = k, v
        return keys, values


def initialise(module: nn.Module) -> None:
    """Weights and embeddings from N(0, 0.02), biases 0, gains 1 (section 4.1)."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_DEVIATION)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
