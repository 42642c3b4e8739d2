"""Words of the vocabulary back to text as it is printed, as they come.

spaCy's split is undone by English rules; case is lost for good.
"""

from collections.abc import Iterable, Iterator

from gpt1.tokens.bpe import END, BPETokenizer

CLOSING = set(".,;:!?)]}%…") | {"...", "'s", "n't", "'re", "'ve", "'ll", "'d", "'m", "'"}
OPENING = set("([{$£#")


def stream(tokenizer: BPETokenizer, ids: Iterable[int]) -> Iterator[str]:
    """The text of `ids`, a piece for each word as soon as its last token has come."""
    symbols = {id: symbol for symbol, id in tokenizer.vocab.items()}
    yield from spaced(_words(symbols[id] for id in ids))


def spaced(words: Iterable[str]) -> Iterator[str]:
    """Each word with the space that belongs before it."""
    glue, quoted = True, False  # glue: the next word follows without a space
    for word in words:
        if word == "\n":
            yield word
            glue, quoted = True, False
        elif word == '"':
            yield word if quoted or glue else f" {word}"
            glue, quoted = not quoted, not quoted
        else:
            yield word if glue or word in CLOSING else f" {word}"
            glue = word in OPENING


def _words(symbols: Iterable[str]) -> Iterator[str]:
    word = ""
    for symbol in symbols:
        word += symbol.removesuffix(END)
        if symbol.endswith(END):
            yield word
            word = ""
    if word:
        yield word
