"""Books without long-range structure: their own sentences in random order.

The paper's reason for books is that the 1B Word Benchmark, of like size, is shuffled by sentence.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np

TITLES = "".join(rf"(?<!\b{title})" for title in ("Mr", "Mrs", "Ms", "Dr", "St", "Messrs"))
SENTENCE_END = re.compile(rf"""(?:{TITLES}\.|[!?])["'’”)]*\s+|\n+""")


def shuffle_sentences(texts: Sequence[str], seed: int) -> list[str]:
    """The sentences of all `texts`, shuffled among them; each text gets as many as it had.

    Every sentence keeps the white space after it, so that line ends stay as frequent as they were.
    All the texts are held in memory.
    """
    pieces = [list(sentences(text)) for text in texts]
    pool = [sentence for piece in pieces for sentence in piece]
    order = iter(np.random.default_rng(seed).permutation(len(pool)))
    return ["".join(pool[next(order)] for _ in piece) for piece in pieces]


def sentences(text: str) -> Iterator[str]:
    """The text, cut after every sentence and line end; the last piece ends in a line end too."""
    start = 0
    for match in SENTENCE_END.finditer(text):
        yield text[start : match.end()]
        start = match.end()
    if start < len(text):
        yield text[start:] + "\n"
