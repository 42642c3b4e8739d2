"""Books without long-range structure: their own sentences in random order.

The paper's reason for books is that the 1B Word Benchmark, of like size, is shuffled by sentence.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

TITLES = "".join(rf"(?<!\b{title})" for title in ("Mr", "Mrs", "Ms", "Dr", "St", "Messrs"))
SENTENCE_END = re.compile(rf"""(?:{TITLES}\.|[!?])["'’”)]*\s+|\n+""")
PILES = 64
"""Files that the sentences are dealt to; memory holds the sentences of one."""


def shuffle_sentences(texts: Iterable[str], seed: int, scratch: Path) -> Iterator[str]:
    """The sentences of all `texts`, shuffled among them; each text gets as many as it had.

    Every sentence keeps the white space after it, so that line ends stay as frequent as they were.
    Dealt at random to files in the folder `scratch`, which are then shuffled one by one, every
    order is as likely as any other, and memory holds one file of them.
    """
    random = np.random.default_rng(seed)
    counts = []
    paths = [scratch / f"{pile:02d}" for pile in range(PILES)]
    with ExitStack() as stack:
        piles = [stack.enter_context(path.open("w", encoding="utf-8")) for path in paths]
        for text in texts:
            pieces = list(sentences(text))
            counts.append(len(pieces))
            for pile, piece in zip(random.integers(PILES, size=len(pieces)), pieces, strict=True):
                piles[pile].write(json.dumps(piece) + "\n")
    pool = _drawn(paths, random)
    for count in counts:
        yield "".join(next(pool) for _ in range(count))


def _drawn(paths: list[Path], random: np.random.Generator) -> Iterator[str]:
    for path in paths:
        lines = path.read_text("utf-8").splitlines()
        for place in random.permutation(len(lines)):
            yield json.loads(lines[place])


def sentences(text: str) -> Iterator[str]:
    """The text, cut after every sentence and line end; the last piece ends in a line end too."""
    start = 0
    for match in SENTENCE_END.finditer(text):
        yield text[start : match.end()]
        start = match.end()
    if start < len(text):
        yield text[start:] + "\n"
