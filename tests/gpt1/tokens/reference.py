"""The released text chain, written down slowly from its description, sharing nothing with ours."""

import re
from itertools import pairwise

import ftfy
from spacy.lang.en import English


class Reference:
    """One token at a time, with a plain dictionary for its cache."""

    def __init__(self, vocab: dict[str, int], merges: list[tuple[str, str]]) -> None:
        self.tokenize = English().tokenizer
        self.vocab = vocab
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.cache: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for token in self.tokenize(self.standardise(ftfy.fix_text(text))):
            word = token.text.lower()
            if word not in self.cache:
                self.cache[word] = self.word(word)
            ids += self.cache[word]
        return ids

    @staticmethod
    def standardise(text: str) -> str:
        for dash in "\u2014\u2013\u2015":
            text = text.replace(dash, "-")
        text = text.replace("\u2026", "...").replace("\u00b4", "'")
        for mark in '-~!";?+,)(/*[]}{|_':
            text = re.sub(f"({re.escape(mark)}+)", r" \1 ", text)
        text = re.sub(r"\s*\n\s*", " \n ", text)
        return re.sub(r"[^\S\n]+", " ", text).strip()

    def word(self, word: str) -> list[int]:
        symbols = [*word[:-1], word[-1] + "</w>"]
        while True:
            pairs = set(pairwise(symbols))
            ranked = [(self.ranks[pair], pair) for pair in pairs if pair in self.ranks]
            if not ranked:
                break
            first, second = min(ranked)[1]
            merged, at = [], 0
            while at < len(symbols):
                if symbols[at : at + 2] == [first, second]:
                    merged.append(first + second)
                    at += 2
                else:
                    merged.append(symbols[at])
                    at += 1
            symbols = merged
        joined = " ".join(symbols)
        if joined == "\n  </w>":
            joined = "\n</w>"
        return [self.vocab.get(symbol, 0) for symbol in joined.split(" ")]
