"""Which books are no books, and why."""

import re
from collections.abc import Callable

from gpt1.params import Clean

ALPHABETIC = 0.8
MEAN_LENGTH = (3, 10)
"""Words with a letter, and characters in a word: the limits of Rae et al. 2021, table A1."""
BROKEN = 0.01
"""The share of NULs and of characters that could not be decoded, above which a text is binary."""
_UNENDED = re.compile(r"(\w+\W+){5,}\w*[a-z,;]")


def reason(text: str, words: list[str], code: str, params: Clean) -> str:
    """Why a clean text is dropped: the name of the first check that it fails; empty: it is kept.

    `code` is its language.
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
        "language": lambda: params.language not in ("", code),
    }
    return next((name for name, failed in checks.items() if failed()), "")


def language(text: str) -> str:
    """The ISO 639 code of the language, from samples all over the text; `und` when unclear."""
    from langdetect import DetectorFactory, LangDetectException, detect

    DetectorFactory.seed = 0
    step = max(len(text) // 5, 1)
    sample = " ".join(text[start : start + 400] for start in range(step // 2, len(text), step))
    try:
        return detect(sample)
    except LangDetectException:
        return "und"
