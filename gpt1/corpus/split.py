"""Which text is held out."""

import random
from collections.abc import Iterable, Iterator

PASSAGES = 20
"""Passages a book is cut into where there are too few books to hold one out."""


def held_out(books: Iterable[str], fraction: float, seed: int) -> set[str]:
    """The ids of the books that are held out: at least one."""
    order = sorted(books)
    random.Random(seed).shuffle(order)
    return set(order[: max(round(fraction * len(order)), 1)])


def by_passage(book: str, text: str, fraction: float, seed: int) -> Iterator[tuple[str, str, bool]]:
    """A book in stretches of train and valid: (id, text, whether it is held out).

    It is cut at line ends into passages of about the same length; neighbours of one split stay
    together.
    """
    lines = text.splitlines(keepends=True)
    passages = [[] for _ in range(PASSAGES)]  # type: list[list[str]]
    size, place = len(text) / PASSAGES, 0
    for line in lines:
        passages[min(int(place / size), PASSAGES - 1)].append(line)
        place += len(line)
    chosen = held_out((f"{n:02d}" for n in range(PASSAGES)), fraction, seed)
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
