"""Texts that are the same, or nearly: candidates by MinHash, confirmed by their true similarity."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np


def duplicates(
    bands: np.ndarray,
    lengths: np.ndarray,
    groups: np.ndarray,
    threshold: float,
    similarity: Callable[[int, int], float],
) -> dict[int, tuple[int, float]]:
    """Which texts go: number -> (the number of the one that stays, their true Jaccard similarity).

    `bands` (texts, bands) are compared, but no text within its group; memory holds one band of
    them, and the few texts that share one. The longest stays, of equal ones the first. A text goes
    only where `similarity` to one that stays is `threshold` or more, so that chains of likenesses
    take nothing along.
    """
    shared = _shared(bands)
    staying: dict[tuple[int, int], list[int]] = defaultdict(list)
    gone: dict[int, tuple[int, float]] = {}
    for text in sorted(shared, key=lambda text: (-lengths[text], text)):
        others = {other for bucket in shared[text] for other in staying[bucket]}
        for other in sorted(others):
            if groups[other] != groups[text] and (alike := similarity(text, other)) >= threshold:
                gone[text] = (other, alike)
                break
        else:
            for bucket in shared[text]:
                staying[bucket].append(text)
    return gone


def _shared(bands: np.ndarray) -> dict[int, list[tuple[int, int]]]:
    """Text -> those of its bands that another text has too: the band's place and value."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for place in range(bands.shape[1]):
        column = np.array(bands[:, place])
        order = np.argsort(column, kind="stable")
        same = np.diff(column[order]) == 0
        several = np.append(same, False) | np.append(False, same)
        for text in order[several].tolist():
            found[text].append((place, int(column[text])))
    return found
