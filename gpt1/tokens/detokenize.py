"""Words of the vocabulary back to readable text, word by word.

English rules undo the spaces that spaCy's split put in; the case of letters is lost.
"""

from collections.abc import Iterable, Iterator

from gpt1.tokens.vocabulary import END_OF_WORD

CLOSING = set(".,;:!?)]}%…") | {"...", "'s", "n't", "'re", "'ve", "'ll", "'d", "'m", "'"}
"""Words without a space before them."""
OPENING = set("([{$£#")
"""Words without a space after them."""


def detokenize(symbols: Iterable[str]) -> Iterator[str]:
    """Yield the text of symbols, a string for each word as soon as its last symbol has come."""
    yield from with_spaces(_words(symbols))


def with_spaces(words: Iterable[str]) -> Iterator[str]:
    """Yield each word with the space that belongs before it."""
    no_space, quoted = True, False  # no_space: the next word follows without a space
    for word in words:
        if word == "\n":
            yield word
            no_space, quoted = True, False
        elif word == '"':
            yield word if quoted or no_space else f" {word}"
            no_space, quoted = not quoted, not quoted
        else:
            yield word if no_space or word in CLOSING else f" {word}"
            no_space = word in OPENING


def _words(symbols: Iterable[str]) -> Iterator[str]:
    """Join symbols to words; the last word may be unfinished."""
    word = ""
    for symbol in symbols:
        word += symbol.removesuffix(END_OF_WORD)
        if symbol.endswith(END_OF_WORD):
            yield word
            word = ""
    if word:
        yield word
