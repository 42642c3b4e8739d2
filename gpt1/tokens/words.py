"""Raw text to words: fixed, standardised, split by spaCy, lower-cased (section 4.1 of the paper).

The order and the patterns are those of the code released with the paper (`text_utils.py`).
"""

import re
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.tokenizer import Tokenizer

# The released pattern is no raw string, so its `\\+` is a second plus and no backslash is padded.
_PADDED = re.compile(r"""(-+|~+|!+|"+|;+|\?+|\++|,+|\)+|\(+|/+|\*+|\[+|\]+|}+|{+|\|+|_+)""")
_NEWLINE = re.compile(r"\s*\n\s*")
_SPACES = re.compile(r"[^\S\n]+")
_REPLACED = str.maketrans({"—": "-", "–": "-", "―": "-", "…": "...", "´": "'"})


def words(text: str) -> list[str]:
    """The words of raw text; a line end is the word `\\n`."""
    return [
        "\n" if token.text == "\n " else token.text.lower() for token in _spacy()(prepare(text))
    ]


def prepare(text: str) -> str:
    """What spaCy sees: the text after ftfy and the paper's standardisation."""
    return standardise(fix(text))


def fix(text: str) -> str:
    """Mojibake, HTML entities, curly quotes, ligatures and control characters put right."""
    import ftfy

    return ftfy.fix_text(text)


def standardise(text: str) -> str:
    """Dashes and dots made plain, punctuation set apart, white space made single."""
    text = _PADDED.sub(r" \1 ", text.translate(_REPLACED))
    return _SPACES.sub(" ", _NEWLINE.sub(" \n ", text)).strip()


@cache
def _spacy() -> "Tokenizer":
    """The English rules; no model is downloaded."""
    hidden = "torch" not in sys.modules
    if hidden:  # spaCy imports torch where it finds it, for 2 of its 3 seconds
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        from spacy.lang.en import English
    finally:
        if hidden:
            del sys.modules["torch"]
    return English().tokenizer
