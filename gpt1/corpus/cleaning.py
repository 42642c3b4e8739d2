"""One raw book to one clean text, on its own: what can be done by many workers at once."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gpt1.corpus import boilerplate, quality
from gpt1.corpus.boilerplate import Removed
from gpt1.corpus.paragraphs import unwrap
from gpt1.corpus.shingles import minhash, normal_words, shingles
from gpt1.params import Clean
from gpt1.tokens.fix import fix

PASSAGE_WORDS = 100
"""Shorter passages are not compared: songs, refrains and formulas are no duplicates."""


@dataclass(frozen=True)
class Cleaned:
    """A book as it came out; `reason` tells why it is dropped, empty where it is kept."""

    book: str
    text: str
    raw_words: int
    words: int
    removed: list[Removed]
    language: str
    reason: str
    digest: str = ""
    signature: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint32))
    passages: list[tuple[int, np.ndarray]] = field(default_factory=list)
    """The number of each passage that is long enough, and its signature."""

    def without_text(self) -> "Cleaned":
        """The same, with what is too large to hold for every book left out."""
        return replace(self, text="", removed=[])


def clean_book(path: Path, params: Clean) -> Cleaned:
    """Fix, strip, unwrap, judge and sketch the book in `path`."""
    raw = path.read_text("utf-8")
    stripped, removed = boilerplate.strip(fix(raw))
    text = unwrap(stripped)
    words = text.split()
    language = quality.language(text) if params.language else ""
    reason = quality.reason(text, words, language, params)
    book = Cleaned(path.stem, text, len(raw.split()), len(words), removed, language, reason)
    return book if reason else _sketched(book)


def passages(text: str) -> list[str]:
    """A text cut after lines that their own content marks, one in eight.

    So a story is cut at the same places in whatever anthology it stands.
    """
    found, lines = [], []
    for line in text.splitlines(keepends=True):
        lines.append(line)
        if len(line) > 40 and hashlib.blake2b(line.strip().encode()).digest()[0] % 8 == 0:
            found.append("".join(lines))
            lines = []
    return [*found, "".join(lines)] if lines else found


def _sketched(book: Cleaned) -> Cleaned:
    words = normal_words(book.text)
    sketches = []
    for number, passage in enumerate(passages(book.text)):
        passage_words = normal_words(passage)
        if len(passage_words) >= PASSAGE_WORDS:
            sketches.append((number, minhash(shingles(passage_words))))
    return replace(
        book,
        digest=hashlib.sha256(" ".join(words).encode()).hexdigest(),
        signature=minhash(shingles(words)),
        passages=sketches,
    )
