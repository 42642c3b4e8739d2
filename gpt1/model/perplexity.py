"""Perplexity of a language model on validation documents."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from gpt1.model.language_model import LanguageModel
    from gpt1.tokens.shards import Document


@dataclass(frozen=True)
class Perplexity:
    """Sums over whole documents; the first token of a document is given, not predicted."""

    nats: float
    tokens: int
    words: int
    """Tokens that end a word; the number does not depend on the vocabulary."""
    bytes: int
    """Of the documents' text, in UTF-8."""

    @property
    def loss(self) -> float:
        """Cross-entropy in nats a token."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """Per token, as in the paper."""
        return math.exp(self.loss)

    @property
    def perplexity_per_word(self) -> float:
        """Per word, punctuation marks and line ends included; comparable across vocabularies."""
        return math.exp(self.nats / self.words)

    @property
    def bits_per_byte(self) -> float:
        """Comparable across vocabularies and pre-tokenizers."""
        return self.nats / math.log(2) / self.bytes

    def summary(self) -> dict[str, float]:
        """By name, for a metrics file."""
        names = ("loss", "perplexity", "perplexity_per_word", "bits_per_byte")
        return {name: getattr(self, name) for name in (*names, "tokens", "words", "bytes")}


def measure_perplexity(
    model: "LanguageModel", documents: Iterable["Document"], *, ends_word: np.ndarray, batch: int
) -> Perplexity:
    """Score `documents`, `batch` windows at a time.

    A document is cut into windows of `context` predictions, and a token is predicted from those
    before it in its window: 256 on average at the paper's size. `ends_word`, bool (V,), tells which
    tokens end a word.
    """
    device = next(model.parameters()).device
    nats, tokens, words, size = 0.0, 0, 0, 0

    def ids() -> Iterator[np.ndarray]:
        nonlocal size
        for document in documents:
            size += document.size
            yield document.ids

    model.eval()
    with torch.inference_mode():
        for windows, weights in _batches(ids(), model.config.context, batch):
            there = windows.to(device)
            states = model.states(there[:, :-1])
            # .item() waits for the device, once a batch.
            nats += model.loss(states, there[:, 1:], weights.to(device)).item()
            tokens += int(weights.sum())
            words += int(ends_word[windows[:, 1:][weights > 0]].sum())
    return Perplexity(nats, tokens, words, size)


def _batches(
    documents: Iterable[np.ndarray], context: int, batch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows (n, context + 1), and weights (n, context) that are 0 after a document's end."""
    windows = torch.zeros(batch, context + 1, dtype=torch.int64)
    weights = torch.zeros(batch, context)
    row = 0
    for ids in documents:
        for start in range(0, len(ids) - 1, context):
            piece = torch.as_tensor(ids[start : start + context + 1].astype(np.int64))
            windows[row] = 0
            windows[row, : len(piece)] = piece
            weights[row] = torch.arange(context) < len(piece) - 1
            row += 1
            if row == batch:
                yield windows, weights
                row = 0
    if row:
        yield windows[:row], weights[:row]
