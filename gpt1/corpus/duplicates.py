"""Near-duplicate texts: candidates by MinHash bands, confirmed by their Jaccard similarity."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np


def find_duplicates(
    bands: np.ndarray,
    lengths: np.ndarray,
    groups: np.ndarray,
    threshold: float,
    similarity: Callable[[int, int], float],
) -> dict[int, tuple[int, float]]:
    """Decide which texts to drop: number -> (number of the text that stays, their similarity).

    bands: (texts, bands), hashes as from `lsh_bands`. Memory holds one column of them, and the
        texts that share a band with another.
    lengths: (texts,). The longest of a cluster stays; of equally long texts the first one.
    groups: (texts,). Texts of one group are not compared with each other.
    similarity: the exact similarity of two texts. A text is dropped only if its similarity to one
        that stays is at least `threshold`: likeness is not transitive, so a chain drops nothing.

    The cost is quadratic in the number of texts that share one band.
    """
    shared = _shared_bands(bands)
    staying: dict[tuple[int, int], list[int]] = defaultdict(list)
    dropped: dict[int, tuple[int, float]] = {}
    for text in sorted(shared, key=lambda text: (-lengths[text], text)):
        candidates = {other for band in shared[text] for other in staying[band]}
        for other in sorted(candidates):
            if groups[other] != groups[text] and (alike := similarity(text, other)) >= threshold:
                dropped[text] = (other, alike)
                break
        else:
            for band in shared[text]:
                staying[band].append(text)
    return dropped


def _shared_bands(bands: np.ndarray) -> dict[int, list[tuple[int, int]]]:
    """Map each text to the bands (column, hash) that it shares with another text."""
    shared: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for column in range(bands.shape[1]):
        hashes = np.array(bands[:, column])
        order = np.argsort(hashes, kind="stable")
        same = np.diff(hashes[order]) == 0
        several = np.append(same, False) | np.append(False, same)
        for text in order[several].tolist():
            shared[text].append((column, int(hashes[text])))
    return shared
