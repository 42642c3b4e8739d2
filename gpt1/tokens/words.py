"""Raw text to words: fixed, standardised, split by spaCy, lower-cased (section 4.1 of the paper).

The order and the patterns are those of the code released with the paper (`text_utils.py`). Nothing
in it but spaCy's special cases looks past white space, so each chunk between spaces is worked out
once, and a text is a row of numbers in a table of chunks.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gpt1.tokens.fix import fix

if TYPE_CHECKING:
    from spacy.tokenizer import Tokenizer

# The released pattern is no raw string, so its `\\+` is a second plus and no backslash is padded.
_PADDED = re.compile(r"""(-+|~+|!+|"+|;+|\?+|\++|,+|\)+|\(+|/+|\*+|\[+|\]+|}+|{+|\|+|_+)""")
_NEWLINE = re.compile(r"\s*\n\s*")
_SPACES = re.compile(r"[^\S\n]+")
_OTHER_SPACE = re.compile(r"[^\S\n ]")
_REPLACED = {"—": "-", "–": "-", "―": "-", "…": "...", "´": "'"}

EMPTY, NEWLINE = 0, 1
"""The chunks that the table begins with: no word, and a line end."""
PIECE = 1 << 20
"""Characters that are looked up at once."""
LINE_END = "\n "
"""spaCy's token for a line end in standardised text."""
CAPACITY = 1 << 20
"""Chunks a table remembers before it starts anew: about 500 MB with spaCy's own memory."""


def standardise(text: str) -> str:
    """Dashes and dots made plain, punctuation set apart, white space made single."""
    for old, new in _REPLACED.items():
        text = text.replace(old, new)
    text = _PADDED.sub(r" \1 ", text)
    return _SPACES.sub(" ", _NEWLINE.sub(" \n ", text)).strip()


def words(text: str) -> list[str]:
    """The words of raw text; a line end is the word `\\n`."""
    table = ChunkTable()
    return [word for chunk in table.chunks(text) for word in table.words[chunk]]


class ChunkTable:
    """Numbers for the chunks of text between white space, and their words."""

    def __init__(self) -> None:
        self.words: list[tuple[str, ...]] = [(), ("\n",)]
        """Of each chunk, lower-cased."""
        self._texts = ["", "\n"]
        self._numbers = {text: number for number, text in enumerate(self._texts)}
        self._opens = bytearray(2)
        self._closes = bytearray(2)

    def chunks(self, text: str) -> np.ndarray:
        """The chunks of raw text, int64 (chunks,)."""
        text = fix(text)
        if _OTHER_SPACE.search(text):
            text = _SPACES.sub(" ", text)
        numbers = np.concatenate([self._numbered(piece) for piece in _pieces(text)])
        numbers = numbers[numbers != EMPTY]
        ends = numbers == NEWLINE  # one line end for several, and none around the text
        numbers = numbers[~(ends & np.append(True, ends)[:-1])]
        if len(numbers) and numbers[-1] == NEWLINE:
            numbers = numbers[:-1]
        return self._joined(numbers)

    def _numbered(self, text: str) -> np.ndarray:
        chunks = text.replace("\n", " \n ").split(" ")
        self._learn(set(chunks).difference(self._numbers))
        return np.fromiter(map(self._numbers.__getitem__, chunks), np.int64, len(chunks))

    def full(self) -> bool:
        """Whether to go on with a new table, so that memory stays bounded."""
        return len(self.words) > CAPACITY

    def count(self, chunks: np.ndarray, counts: Counter[str]) -> None:
        """Add the words of some chunks to `counts`."""
        found, times = np.unique(chunks, return_counts=True)
        for chunk, n in zip(found.tolist(), times.tolist(), strict=True):
            for word in self.words[chunk]:
                counts[word] += n

    def _joined(self, found: np.ndarray) -> np.ndarray:
        """Chunks that a special case of spaCy may span are taken together, as one chunk."""
        opens = np.frombuffer(self._opens, np.uint8)[found]
        closes = np.frombuffer(self._closes, np.uint8)[found]
        spans = self._spacy.adjacent()[opens[:-1], closes[1:]]
        if not spans.any():
            return found
        apart = np.append(True, ~spans)
        firsts = np.flatnonzero(apart & np.append(spans, False))
        lasts = np.flatnonzero(~apart & np.append(~spans, True))
        joined = [
            " ".join(self._texts[chunk] for chunk in found[first : last + 1])
            for first, last in zip(firsts, lasts, strict=True)
        ]
        self._learn(set(joined).difference(self._numbers))
        found[firsts] = [self._numbers[text] for text in joined]
        return found[apart]

    def _learn(self, chunks: set[str]) -> None:
        """Add new chunks, all in one text: no special case spans a line end."""
        if not chunks:
            return
        tokens: list[str] = []
        lines = iter(chunks)
        for token in [*self._spacy.split(standardise("\n".join(chunks))), LINE_END]:
            if token != LINE_END:
                tokens.append(token)
                continue
            opens, closes = self._spacy.ends(tokens)
            self._opens.append(opens)
            self._closes.append(closes)
            chunk = next(lines)
            self._numbers[chunk] = len(self.words)
            self._texts.append(chunk)
            self.words.append(tuple(token.lower() for token in tokens))
            tokens = []

    @cached_property
    def _spacy(self) -> "_Spacy":
        return _Spacy()


def _pieces(text: str) -> Iterator[str]:
    """A text cut at spaces or line ends, so that its chunks need not all be in memory at once."""
    start = 0
    while len(text) - start > PIECE:
        end = max(text.find(mark, start + PIECE) for mark in "\n ")
        if end < 0:
            break
        yield text[start:end]
        start = end
    yield text[start:]


class _Spacy:
    """spaCy's English rules (no model is downloaded), and where they look across spaces.

    Special cases such as `:-)` are looked for in the sequence of tokens, whether or not spaces lie
    between them. Chunks are taken apart at a space only where no special case could span it.
    """

    def __init__(self) -> None:
        self._tokenizer = _english()
        self._cases = _special_cases(self._tokenizer)
        self._pairs = {pair for case in self._cases.values() for pair in pairwise(case)}
        self._firsts = {first for first, _ in self._pairs}
        self._seconds = {second for _, second in self._pairs}
        self._kinds: tuple[dict[frozenset[str], int], ...] = (
            {frozenset(): 0},
            {frozenset(): 0},
        )
        self._adjacent = np.zeros((1, 1), bool)

    def split(self, text: str) -> list[str]:
        return [token.text for token in self._tokenizer(text)]

    def ends(self, tokens: list[str]) -> tuple[int, int]:
        """The kinds of a chunk's end and start: the tokens that a special case could go on from.

        Those are its last and first token; where that is itself a special case, also the tokens
        that spaCy had there before it put them together.
        """
        opens, closes = self._kinds
        last, first = tokens[-1], tokens[0]
        end = self._firsts & {last, *self._cases.get(last, [])[-1:]}
        start = self._seconds & {first, *self._cases.get(first, [])[:1]}
        return (
            opens.setdefault(frozenset(end), len(opens)),
            closes.setdefault(frozenset(start), len(closes)),
        )

    def adjacent(self) -> np.ndarray:
        """Whether a special case may span the space between two kinds, bool (ends, starts)."""
        opens, closes = self._kinds
        if self._adjacent.shape != (len(opens), len(closes)):
            self._adjacent = np.array(
                [
                    [any((a, b) in self._pairs for a in left for b in right) for right in closes]
                    for left in opens
                ]
            )
        return self._adjacent


def _english() -> "Tokenizer":
    hidden = "torch" not in sys.modules
    if hidden:  # spaCy imports torch where it finds it, for 2 of its 3 seconds
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        from spacy.lang.en import English
    finally:
        if hidden:
            del sys.modules["torch"]
    return English().tokenizer


def _special_cases(tokenizer: "Tokenizer") -> dict[str, list[str]]:
    """spaCy's special cases of several tokens, each with those tokens."""
    from spacy.tokenizer import Tokenizer

    plain = Tokenizer(
        tokenizer.vocab,
        rules={},
        prefix_search=tokenizer.prefix_search,
        suffix_search=tokenizer.suffix_search,
        infix_finditer=tokenizer.infix_finditer,
        url_match=tokenizer.url_match,
    )
    cases = {case: [token.text for token in plain(case)] for case in tokenizer.rules}
    return {case: tokens for case, tokens in cases.items() if len(tokens) > 1}
