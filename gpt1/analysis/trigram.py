"""A trigram model with interpolated Kneser-Ney smoothing: what a language model must beat.

Chen and Goodman (1999), "An empirical study of smoothing techniques for language modeling", section
3: one discount for each order, n1 / (n1 + 2 n2), with n1 and n2 the numbers of n-grams counted once
and twice. Below trigrams an n-gram counts once for each different token before it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gpt1.tokens.shards import Document

TRAINED_ON = 20_000_000
"""Most tokens that are counted: sorting them takes 1 GB and half a minute. More would help it."""


@dataclass(frozen=True)
class Counts:
    """Counts of n-grams by their keys, int64 and sorted; another key counts 0."""

    keys: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray, weights: np.ndarray | None = None) -> "Counts":
        """How often each key comes, or the sum of its `weights`."""
        distinct, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
        if weights is not None:
            counts = np.bincount(place, weights, minlength=len(distinct)).astype(np.int64)
        return cls(distinct, counts)

    def __getitem__(self, keys: np.ndarray) -> np.ndarray:
        if not len(self.keys):
            return np.zeros(len(keys), np.int64)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, self.counts[places], 0)

    @property
    def discount(self) -> float:
        once, twice = (int((self.counts == times).sum()) for times in (1, 2))
        return once / (once + 2 * twice) if once else 0.0


class Trigram:
    """Counts of the training `documents`, of which none is crossed; ids below `vocab`."""

    def __init__(self, documents: Iterable[np.ndarray], vocab: int) -> None:
        V = self.vocab = vocab
        trigrams = [(ids[:-2].astype(np.int64) * V + ids[1:-1]) * V + ids[2:] for ids in documents]
        self.trigrams = Counts.of(np.concatenate([np.zeros(0, np.int64), *trigrams]))
        self.bigrams = Counts.of(self.trigrams.keys % (V * V))
        self.unigrams = Counts.of(self.bigrams.keys % V)
        # Of each context: the sum of the counts after it, and how many different tokens follow.
        pairs, singles = self.trigrams.keys // V, self.bigrams.keys // V
        self._after_pair = Counts.of(pairs, self.trigrams.counts), Counts.of(pairs)
        self._after_one = Counts.of(singles, self.bigrams.counts), Counts.of(singles)

    def probabilities(self, ids: np.ndarray) -> np.ndarray:
        """Of each token of a document but the first, given those before: float64 (tokens - 1,)."""
        V, ids = self.vocab, ids.astype(np.int64)
        total, kinds = self.unigrams.counts.sum(), len(self.unigrams.keys)
        discount, counts = self.unigrams.discount, self.unigrams[ids[1:]]
        left = discount * kinds / total if total else 1.0
        found = np.maximum(counts - discount, 0) / max(total, 1) + left / V
        found = _interpolated(
            self.bigrams, ids[:-1] * V + ids[1:], self._after_one, ids[:-1], found
        )
        keys = (ids[:-2] * V + ids[1:-1]) * V + ids[2:]
        pairs = ids[:-2] * V + ids[1:-1]
        found[1:] = _interpolated(self.trigrams, keys, self._after_pair, pairs, found[1:])
        return found


def _interpolated(
    ngrams: Counts,
    keys: np.ndarray,
    after: tuple[Counts, Counts],
    contexts: np.ndarray,
    lower: np.ndarray,
) -> np.ndarray:
    """The probabilities of an order, from those of the order below; as these without context."""
    totals, kinds = (each[contexts] for each in after)
    discounted = np.maximum(ngrams[keys] - ngrams.discount, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (discounted + ngrams.discount * kinds * lower) / totals
    return np.where(totals > 0, found, lower)


def trigram_loss(train: Iterable[Document], valid: Iterable[Document], vocab: int) -> float:
    """Nats a token of the `valid` documents, of which the first token is given."""
    model = Trigram((document.ids for document in train), vocab)
    nats, tokens = 0.0, 0
    for document in valid:
        if len(document.ids) > 1:
            nats -= float(np.log(model.probabilities(document.ids)).sum())
            tokens += len(document.ids) - 1
    return nats / max(1, tokens)
