"""Texts that are the same, or nearly: candidates by MinHash, confirmed by their true similarity."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from gpt1.corpus.shingles import PERMUTATIONS


@dataclass(frozen=True)
class Sketched:
    """What is compared: a key, the group it is never compared within, length, signature."""

    key: tuple[str, int]
    group: str
    words: int
    signature: np.ndarray


def duplicates(
    texts: Iterable[Sketched],
    threshold: float,
    similarity: Callable[[tuple[str, int], tuple[str, int]], float],
) -> dict[tuple[str, int], tuple[tuple[str, int], float]]:
    """Which texts go: key -> (the key of the one that stays, their true Jaccard similarity).

    The longest stays, of equal ones that of the smaller key. A text goes only where `similarity`
    to one that stays is `threshold` or more, so that chains of likenesses take nothing along.
    """
    from datasketch import LeanMinHash, MinHashLSH

    index = MinHashLSH(threshold, PERMUTATIONS)
    staying: dict[tuple[str, int], str] = {}
    gone: dict[tuple[str, int], tuple[tuple[str, int], float]] = {}
    for text in sorted(texts, key=lambda text: (-text.words, text.key)):
        sketch = LeanMinHash(seed=1, hashvalues=text.signature, scheme="affine32")
        for other in sorted(index.query(sketch)):
            if staying[other] != text.group and (alike := similarity(text.key, other)) >= threshold:
                gone[text.key] = (other, alike)
                break
        else:
            index.insert(text.key, sketch, check_duplication=False)
            staying[text.key] = text.group
    return gone
