"""Quality filters on whole books: the reason why a book is dropped."""

import re
from collections.abc import Callable

from gpt1.params import Clean

ALPHABETIC = 0.8
MEAN_LENGTH = (3, 10)
"""Least fraction of words with a letter, and the range of the mean word length: Rae et al. 2021,
table A1."""
BROKEN = 0.01
"""A text is binary above this fraction of NULs and characters that could not be decoded."""
_UNENDED = re.compile(r"(\w+\W+){5,}\w*[a-z,;]")


def drop_reason(text: str, words: list[str], language: str, params: Clean) -> str:
    """The name of the first check that a cleaned text fails; empty: the book is kept.

    words: `text.split()`. language: its ISO 639 code, as from `detect_language`.
    """
    checks: dict[str, Callable[[], bool]] = {
        "no words": lambda: not words,
        "binary": lambda: sum(map(text.count, "\0\ufffd")) > BROKEN * len(text),
        "short": lambda: len(words) < params.min_words,
        "few letters": lambda: (
            sum(any(map(str.isalpha, word)) for word in words) < ALPHABETIC * len(words)
        ),
        "odd words": lambda: (
            not MEAN_LENGTH[0] <= sum(map(len, words)) / len(words) <= MEAN_LENGTH[1]
        ),
        "truncated": lambda: bool(_UNENDED.fullmatch(text[-300:].rsplit("\n", 1)[-1].strip())),
        "language": lambda: params.language not in ("", language),
    }
    return next((name for name, failed in checks.items() if failed()), "")


def detect_language(text: str) -> str:
    """The ISO 639 code of the language, from five samples across the text; `und` if unclear."""
    from langdetect import DetectorFactory, LangDetectException, detect

    DetectorFactory.seed = 0
    step = max(len(text) // 5, 1)
    sample = " ".join(text[start : start + 400] for start in range(step // 2, len(text), step))
    try:
        return detect(sample)
    except LangDetectException:
        return "und"
