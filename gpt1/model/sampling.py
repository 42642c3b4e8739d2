"""Generate text with a language model, token by token."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt1.model.language_model import LanguageModel

GREEDY = 1e-6
"""Below this temperature a division would leave the range of fp32."""


def generate(
    model: LanguageModel,
    tokens: Tensor,
    count: int,
    *,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Iterator[Tensor]:
    """Yield the `count` tokens, int64 (B,) each, that follow `tokens`, int64 (B, T), T at least 1.

    temperature: 0 takes the most probable token (greedy).
    top_k: draw from the `top_k` most probable tokens (0: all).
    top_p: draw from the fewest tokens with a probability of at least `top_p` together.
    When the context is full, its later half becomes the prompt of an empty cache.
    """
    context = model.config.context
    random = torch.Generator(device=tokens.device).manual_seed(seed)
    seen = tokens[:, -context:]
    cache, unread = model.new_cache(len(seen)), seen
    for _ in range(count):
        if cache.length + unread.shape[1] > context:
            seen = seen[:, -(context // 2) :]
            cache, unread = model.new_cache(len(seen)), seen
        with torch.inference_mode():
            last = model.states(unread, cache=cache)[:, -1]  # (B, C)
            logits = F.linear(last, model.tokens.weight).float()  # (B, V)
            unread = choose(logits, temperature, top_k, top_p, random)[:, None]  # (B, 1)
        seen = torch.cat([seen, unread], dim=1)
        yield unread[:, 0]


def choose(
    logits: Tensor, temperature: float, top_k: int, top_p: float, random: torch.Generator
) -> Tensor:
    """One token for each row: logits (B, V) to int64 (B,)."""
    if temperature < GREEDY:
        return logits.argmax(-1)
    ordered, tokens = (logits / temperature).sort(-1, descending=True)
    if top_k:
        ordered[:, top_k:] = -torch.inf
    probabilities = ordered.softmax(-1)
    before = probabilities.cumsum(-1) - probabilities  # of more probable tokens
    probabilities[(before >= top_p) & (before > 0)] = 0  # keeps the most probable
    drawn = torch.multinomial(probabilities, 1, generator=random)  # (B, 1)
    return tokens.gather(-1, drawn)[:, 0]
