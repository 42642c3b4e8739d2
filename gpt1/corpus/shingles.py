"""Texts as sets of hashed word n-grams (shingles), and how similar two such sets are."""

import re
import zlib
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datasketch import MinHash

NGRAM = 13
"""Words in an n-gram, as in Rae et al. 2021 and Brown et al. 2020 (appendix C)."""
PERMUTATIONS = 128
"""Length of a MinHash signature."""
_WORD = re.compile(r"[^\W_]+")
_BASE = np.uint64(0x9E3779B97F4A7C15)


def normal_words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation: the form in which texts compare."""
    return _WORD.findall(text.lower())


def shingles(words: list[str], length: int = NGRAM) -> np.ndarray:
    """The set of n-gram hashes, sorted uint64; a shorter text is one n-gram as a whole."""
    if not words:
        return np.zeros(0, np.uint64)
    return np.unique(ngram_hashes(words, min(length, len(words))))


def ngram_hashes(words: list[str], length: int = NGRAM) -> np.ndarray:
    """The hash of the n-gram that begins at each word, uint64 (max(words - length + 1, 0),)."""
    if len(words) < length:
        return np.zeros(0, np.uint64)
    codes = {word: zlib.crc32(word.encode()) | 1 for word in set(words)}
    coded = np.fromiter(map(codes.__getitem__, words), np.uint64, len(words))
    hashes = np.zeros(len(words) - length + 1, np.uint64)
    for offset in range(length):
        hashes = hashes * _BASE + coded[offset : offset + len(hashes)]
    hashes ^= hashes >> np.uint64(29)
    return hashes * np.uint64(0xBF58476D1CE4E5B9)


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """The Jaccard similarity of two sets of shingles."""
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / max(len(a) + len(b) - common, 1)


def minhash(hashes: np.ndarray) -> np.ndarray:
    """The MinHash signature (`PERMUTATIONS`,) of n-gram hashes in any order, repeated or not.

    The fraction of equal entries in two signatures estimates their Jaccard similarity.
    """
    sketch = _empty_sketch().copy()
    for start in range(0, len(hashes), 10_000):
        sketch.update_batch((hashes[start : start + 10_000] >> np.uint64(32)).tolist())
    return sketch.digest()


def lsh_bands(signature: np.ndarray, threshold: float) -> np.ndarray:
    """Locality-sensitive hashes of a signature, uint64 (bands,).

    Two texts with a similarity of at least `threshold` likely have one in common. datasketch
    chooses the number of bands.
    """
    count, rows = _bands_and_rows(threshold)
    parts = signature[: count * rows].astype(np.uint64).reshape(count, rows)
    bands = np.zeros(count, np.uint64)
    for row in range(rows):
        bands = (bands ^ (bands >> np.uint64(29))) * _BASE + parts[:, row]
    return bands


@cache
def _bands_and_rows(threshold: float) -> tuple[int, int]:
    from datasketch import MinHashLSH

    index = MinHashLSH(min(threshold, 0.98), PERMUTATIONS)  # above 0.98 it finds no second band
    return index.b, index.r


@cache
def _empty_sketch() -> "MinHash":
    """Copied for each text: its 128 permutations are drawn once."""
    from datasketch import MinHash

    return MinHash(PERMUTATIONS, hashfunc=int, scheme="affine32")
