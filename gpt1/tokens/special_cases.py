"""spaCy's English tokenizer, and where its special cases reach across a space.

`PreTokenizer` splits each chunk between white space once and remembers its words. That is exact for
all of spaCy's rules but the special cases, such as `:o)`. spaCy first splits prefixes, suffixes and
infixes off, and then looks for special cases in the sequence of tokens, the longest first, whether
or not white space lies between the tokens. For example:

    text        tokens at first     special case        words
    he:o        he, :, o            `:o`  = :, o        he, :o
    )           )                                       )
    he:o )      he, :, o, )         `:o)` = :, o, )     he, :, o, )

In the last line the longer case wins, but no word is made of it, for it spans a space; so the words
of a text are not those of its chunks. To see this without spaCy, neighbouring tokens of all special
cases are kept as pairs, here (:, o) and (o, )). A case can span a space only if the token before it
and the token after it are such a pair. `he:o` ends in `:o`, which stands for tokens that end in
`o`; `)` begins with `)`; (o, )) is a pair: the two chunks must be split together, as one chunk.
"""

import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from spacy.tokenizer import Tokenizer


class SpacyTokenizer:
    """spaCy's English rules (no model is downloaded), and the test whether two chunks may join."""

    def __init__(self) -> None:
        self._tokenizer = _english_tokenizer()
        self._cases = _special_cases(self._tokenizer)
        self._pairs = {pair for case in self._cases.values() for pair in pairwise(case)}
        self._firsts = {first for first, _ in self._pairs}
        self._seconds = {second for _, second in self._pairs}
        self._end_classes: dict[frozenset[str], int] = {frozenset(): 0}
        self._start_classes: dict[frozenset[str], int] = {frozenset(): 0}
        self._may_join = np.zeros((1, 1), bool)

    def split(self, text: str) -> list[str]:
        """The tokens of a standardised text."""
        return [token.text for token in self._tokenizer(text)]

    def boundary_classes(self, tokens: list[str]) -> tuple[int, int]:
        """The end class and the start class of a chunk: which pairs its last token can begin, and
        which its first token can end.

        A token that is a special case counts also as the last or first of the tokens it stands for.
        """
        last, first = tokens[-1], tokens[0]
        end = self._firsts & {last, *self._cases.get(last, [])[-1:]}
        start = self._seconds & {first, *self._cases.get(first, [])[:1]}
        return (
            self._end_classes.setdefault(frozenset(end), len(self._end_classes)),
            self._start_classes.setdefault(frozenset(start), len(self._start_classes)),
        )

    def may_join(self) -> np.ndarray:
        """Whether a special case may span the space between two chunks, by their classes.

        bool (end classes of the first chunk, start classes of the second).
        """
        ends, starts = self._end_classes, self._start_classes
        if self._may_join.shape != (len(ends), len(starts)):
            self._may_join = np.array(
                [
                    [any((a, b) in self._pairs for a in end for b in start) for start in starts]
                    for end in ends
                ]
            )
        return self._may_join


def _english_tokenizer() -> "Tokenizer":
    """spaCy's tokenizer, imported without torch.

    spaCy imports torch if it can, which takes 2 of its 3 seconds in each worker process. `None` in
    `sys.modules` makes that import fail. What this could break: another thread that imports torch
    at the same moment gets an ImportError, and thinc believes until the process ends that there is
    no torch, so spaCy's neural pipelines do not run in it. `import torch` works again afterwards.
    """
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        from spacy.lang.en import English
    finally:
        if hidden:
            del sys.modules["torch"]
    return English().tokenizer


def _special_cases(tokenizer: "Tokenizer") -> dict[str, list[str]]:
    """spaCy's special cases, each with the tokens it has before the case applies, if several."""
    from spacy.tokenizer import Tokenizer

    without_cases = Tokenizer(
        tokenizer.vocab,
        rules={},
        prefix_search=tokenizer.prefix_search,
        suffix_search=tokenizer.suffix_search,
        infix_finditer=tokenizer.infix_finditer,
        url_match=tokenizer.url_match,
    )
    cases = {case: [token.text for token in without_cases(case)] for case in tokenizer.rules}
    return {case: tokens for case, tokens in cases.items() if len(tokens) > 1}
