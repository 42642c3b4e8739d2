"""The split into training and validation text."""

import random
from collections.abc import Iterable, Iterator

PASSAGES = 20
"""Passages that a book is cut into when there are too few books to hold one out."""


def choose_validation(names: Iterable[str], fraction: float, seed: int) -> set[str]:
    """Choose at random the `fraction` of the names that goes to validation, at least one."""
    order = sorted(names)
    random.Random(seed).shuffle(order)
    return set(order[: max(round(fraction * len(order)), 1)])


def split_by_passage(
    book: str, text: str, fraction: float, seed: int
) -> Iterator[tuple[str, str, bool]]:
    """Split one book into stretches: yield (id, text, whether it is for validation).

    The book is cut at line ends into `PASSAGES` passages of similar length; neighbours in the same
    split are joined into one stretch.
    """
    passages: list[list[str]] = [[] for _ in range(PASSAGES)]
    size, offset = len(text) / PASSAGES, 0
    for line in text.splitlines(keepends=True):
        passages[min(int(offset / size), PASSAGES - 1)].append(line)
        offset += len(line)
    chosen = choose_validation((f"{n:02d}" for n in range(PASSAGES)), fraction, seed)
    stretches: list[tuple[bool, list[str]]] = []
    for n, passage in enumerate(passages):
        valid = f"{n:02d}" in chosen
        if stretches and stretches[-1][0] == valid:
            stretches[-1][1].extend(passage)
        else:
            stretches.append((valid, passage))
    for n, (valid, lines) in enumerate(stretches):
        if stretch := "".join(lines).strip():
            yield f"{book}.{n:02d}", stretch, valid
