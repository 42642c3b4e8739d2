"""The pre-tokenizer: raw text to words, as in section 4.1 of the paper.

Text is repaired by ftfy, standardised, split by spaCy and lower-cased, in the order and with the
patterns of the code released with the paper (`text_utils.py`). But for spaCy's special cases
(`special_cases.py`) no rule looks across white space. So each distinct chunk between white space is
split once, and a text becomes an array of chunk ids.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from gpt1.tokens.fix_text import LONGEST, fix_text
from gpt1.tokens.special_cases import SpacyTokenizer

# The released pattern is not a raw string: its `\\+` is a second plus, and no backslash is padded.
_PADDED = re.compile(r"""(-+|~+|!+|"+|;+|\?+|\++|,+|\)+|\(+|/+|\*+|\[+|\]+|}+|{+|\|+|_+)""")
_NEWLINE = re.compile(r"\s*\n\s*")
_SPACES = re.compile(r"[^\S\n]+")
_OTHER_SPACE = re.compile(r"[^\S\n ]")
_REPLACED = {"—": "-", "–": "-", "―": "-", "…": "...", "´": "'"}

_LONG = re.compile(rf"\S{{{LONGEST}}}(?=\S)")

EMPTY, NEWLINE = 0, 1
"""Ids of the chunks that are always there: no word, and a line end."""
BLOCK = 1 << 20
"""Characters of a text whose chunks are in memory at once."""
LINE_END = "\n "
"""spaCy's token for a line end in standardised text."""
MAX_CHUNKS = 1 << 20
"""Chunks to remember before starting anew; with spaCy's own cache about 500 MB."""


def standardise(text: str) -> str:
    """Replace dashes and ellipses by ASCII, pad runs of punctuation, and collapse white space."""
    for old, new in _REPLACED.items():
        text = text.replace(old, new)
    text = _PADDED.sub(r" \1 ", text)
    return _SPACES.sub(" ", _NEWLINE.sub(" \n ", text)).strip()


def split_words(text: str) -> list[str]:
    """The words of raw text; a line end is the word `\\n`."""
    pre_tokenizer = PreTokenizer()
    return [word for chunk in pre_tokenizer.chunks(text) for word in pre_tokenizer.words[chunk]]


class PreTokenizer:
    """Splits texts into chunks, and remembers the words of each distinct chunk."""

    def __init__(self) -> None:
        self.words: list[tuple[str, ...]] = [(), ("\n",)]
        """Chunk id -> its words in lower case."""
        self._texts = ["", "\n"]
        self._ids = {text: id for id, text in enumerate(self._texts)}
        self._end_classes = bytearray(2)
        self._start_classes = bytearray(2)

    def chunks(self, text: str) -> np.ndarray:
        """The chunk ids of raw text, int64 (chunks,)."""
        text = fix_text(text)
        if _OTHER_SPACE.search(text):
            text = _SPACES.sub(" ", text)
        text = _LONG.sub(r"\g<0> ", text)
        ids = np.concatenate([self._chunk_ids(block) for block in _blocks(text)])
        ids = ids[ids != EMPTY]
        newlines = ids == NEWLINE  # several line ends are one, and the text begins and ends in none
        ids = ids[~(newlines & np.append(True, newlines)[:-1])]
        if len(ids) and ids[-1] == NEWLINE:
            ids = ids[:-1]
        return self._join_special_cases(ids)

    def is_full(self) -> bool:
        """Whether to go on with a new pre-tokenizer, so that memory stays bounded."""
        return len(self.words) > MAX_CHUNKS

    def count_words(self, chunks: np.ndarray, counts: Counter[str]) -> None:
        """Add the words of some chunks to `counts`."""
        distinct, times = np.unique(chunks, return_counts=True)
        for chunk, n in zip(distinct.tolist(), times.tolist(), strict=True):
            for word in self.words[chunk]:
                counts[word] += n

    def _chunk_ids(self, text: str) -> np.ndarray:
        chunks = text.replace("\n", " \n ").split(" ")
        self._split_new(set(chunks).difference(self._ids))
        return np.fromiter(map(self._ids.__getitem__, chunks), np.int64, len(chunks))

    def _join_special_cases(self, ids: np.ndarray) -> np.ndarray:
        """Replace neighbouring chunks that a special case may span by one chunk of them all."""
        ends = np.frombuffer(self._end_classes, np.uint8)[ids]
        starts = np.frombuffer(self._start_classes, np.uint8)[ids]
        spans = self._spacy.may_join()[ends[:-1], starts[1:]]
        if not spans.any():
            return ids
        apart = np.append(True, ~spans)
        firsts = np.flatnonzero(apart & np.append(spans, False))
        lasts = np.flatnonzero(~apart & np.append(~spans, True))
        joined = [
            " ".join(self._texts[chunk] for chunk in ids[first : last + 1])
            for first, last in zip(firsts, lasts, strict=True)
        ]
        self._split_new(set(joined).difference(self._ids))
        ids[firsts] = [self._ids[text] for text in joined]
        return ids[apart]

    def _split_new(self, chunks: set[str]) -> None:
        """Split new chunks, a line each in one text: no special case spans a line end."""
        if not chunks:
            return
        tokens: list[str] = []
        lines = iter(chunks)
        for token in [*self._spacy.split(standardise("\n".join(chunks))), LINE_END]:
            if token != LINE_END:
                tokens.append(token)
                continue
            end, start = self._spacy.boundary_classes(tokens)
            self._end_classes.append(end)
            self._start_classes.append(start)
            chunk = next(lines)
            self._ids[chunk] = len(self.words)
            self._texts.append(chunk)
            self.words.append(tuple(token.lower() for token in tokens))
            tokens = []

    @cached_property
    def _spacy(self) -> SpacyTokenizer:
        return SpacyTokenizer()


def _blocks(text: str) -> Iterator[str]:
    """Cut a text at white space into blocks of about `BLOCK` characters."""
    start = 0
    while len(text) - start > BLOCK:
        end = max(text.find(mark, start + BLOCK) for mark in "\n ")
        if end < 0:
            break
        yield text[start:end]
        start = end
    yield text[start:]
