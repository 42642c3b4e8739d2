"""Texts as sets of hashed runs of words, and how alike two of them are."""

import re
import zlib
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datasketch import MinHash

LENGTH = 13
"""Words in a shingle, as Rae et al. 2021 and Brown et al. 2020 (appendix C) take them."""
PERMUTATIONS = 128
_WORD = re.compile(r"[^\W_]+")
_BASE = np.uint64(0x9E3779B97F4A7C15)


def normal_words(text: str) -> list[str]:
    """Lower-cased words without punctuation: what two texts are compared by."""
    return _WORD.findall(text.lower())


def shingles(words: list[str], length: int = LENGTH) -> np.ndarray:
    """The sorted hashes of all runs of `length` words (of the whole text, where it is shorter)."""
    return np.unique(runs(words, min(length, len(words)))) if words else np.zeros(0, np.uint64)


def runs(words: list[str], length: int = LENGTH) -> np.ndarray:
    """The hash of each run of `length` words, by its place, uint64; none in a shorter text."""
    if len(words) < length:
        return np.zeros(0, np.uint64)
    codes = {word: zlib.crc32(word.encode()) | 1 for word in set(words)}
    hashes = np.fromiter(map(codes.__getitem__, words), np.uint64, len(words))
    found = np.zeros(len(words) - length + 1, np.uint64)
    for offset in range(length):
        found = found * _BASE + hashes[offset : offset + len(found)]
    found ^= found >> np.uint64(29)
    return found * np.uint64(0xBF58476D1CE4E5B9)


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """The share of two sets of shingles that is in both."""
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / max(len(a) + len(b) - common, 1)


def minhash(found: np.ndarray) -> np.ndarray:
    """A signature of `PERMUTATIONS` numbers whose agreement estimates the Jaccard similarity.

    `found` are hashes of runs, in any order and as often as they come.
    """
    sketch = _empty().copy()
    for start in range(0, len(found), 10_000):
        sketch.update_batch((found[start : start + 10_000] >> np.uint64(32)).tolist())
    return sketch.digest()


def bands(signature: np.ndarray, threshold: float) -> np.ndarray:
    """Hashes of parts of a signature, uint64 (bands,): texts as similar as `threshold` likely have
    one in common; their number is what the library finds best."""
    count, rows = _best(threshold)
    parts = signature[: count * rows].astype(np.uint64).reshape(count, rows)
    found = np.zeros(count, np.uint64)
    for row in range(rows):
        found = (found ^ (found >> np.uint64(29))) * _BASE + parts[:, row]
    return found


@cache
def _best(threshold: float) -> tuple[int, int]:
    from datasketch import MinHashLSH

    index = MinHashLSH(min(threshold, 0.98), PERMUTATIONS)  # closer to 1 it finds no second band
    return index.b, index.r


@cache
def _empty() -> "MinHash":
    from datasketch import MinHash

    return MinHash(PERMUTATIONS, hashfunc=int, scheme="affine32")
