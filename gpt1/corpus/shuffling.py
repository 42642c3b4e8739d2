"""Books without long-range structure: their own sentences in random order.

The paper prefers books to the 1B Word Benchmark, which is as large but shuffled by sentence.
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
"""Files that the sentences are distributed to; memory holds the sentences of one."""


def shuffle_sentences(texts: Iterable[str], seed: int, scratch: Path) -> Iterator[str]:
    """Shuffle the sentences of all `texts` together; yield each text with as many as it had.

    A sentence keeps the white space after it, so line ends stay as frequent as they were.

    Sentences go to random files in the folder `scratch`, which are then shuffled one by one: every
    order is equally likely, and memory holds one file.
    """
    random = np.random.default_rng(seed)
    counts = []
    paths = [scratch / f"{pile:02d}" for pile in range(PILES)]
    with ExitStack() as stack:
        piles = [stack.enter_context(path.open("w", encoding="utf-8")) for path in paths]
        for text in texts:
            found = list(split_sentences(text))
            counts.append(len(found))
            for pile, sentence in zip(random.integers(PILES, size=len(found)), found, strict=True):
                piles[pile].write(json.dumps(sentence) + "\n")
    shuffled = _shuffled_lines(paths, random)
    for count in counts:
        yield "".join(next(shuffled) for _ in range(count))


def _shuffled_lines(paths: list[Path], random: np.random.Generator) -> Iterator[str]:
    for path in paths:
        lines = path.read_text("utf-8").splitlines()
        for place in random.permutation(len(lines)):
            yield json.loads(lines[place])


def split_sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a text with their white space; a line end ends a sentence too.

    The last one gets a line end if it has none.
    """
    start = 0
    for match in SENTENCE_END.finditer(text):
        yield text[start : match.end()]
        start = match.end()
    if start < len(text):
        yield text[start:] + "\n"
