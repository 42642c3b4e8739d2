"""Byte-pair encoding of words, laid out as the vocabulary released with the paper.

Id 0 is `<unk>`; then the characters, sorted by code point; the same with `</w>`, which marks the
end of a word; then one id for each merge, by rank; last the line end, `\\n</w>`.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gpt1.errors import UserError
from gpt1.tokens.words import words

if TYPE_CHECKING:
    from tokenizers import Tokenizer

UNKNOWN = "<unk>"
END = "</w>"
NEWLINE = "\n" + END
FILES = [("vocab.json", "merges.txt"), ("encoder_bpe_40000.json", "vocab_40000.bpe")]
"""Names of the vocabulary and of the merges: those of a model directory, and those released."""


class BPETokenizer:
    """Raw text to ids and back."""

    def __init__(self, vocab: dict[str, int], merges: list[tuple[str, str]]) -> None:
        from tokenizers import models

        self.vocab = vocab
        self.merges = merges
        self._symbols = {id: symbol for symbol, id in vocab.items()}
        self._model = models.BPE(
            vocab=vocab, merges=merges, unk_token=UNKNOWN, end_of_word_suffix=END
        )
        self._memo = _Memo(self._split)

    @classmethod
    def train(cls, texts: Iterable[str], merges: int) -> "BPETokenizer":
        """Learn `merges` merges from raw texts; where two pairs are as frequent, the lower ids win.

        Raises UserError when the texts run out of pairs.
        """
        return cls.train_words((words(text) for text in texts), merges)

    @classmethod
    def train_words(cls, texts: Iterable[list[str]], merges: int) -> "BPETokenizer":
        """The same, from texts that are split into words already."""
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        seen: set[str] = set()

        def lines() -> Iterator[str]:
            for text in texts:
                seen.update(*text)
                yield " ".join(word for word in text if word != "\n")

        # The library gives base symbols their ids in the order of a hash map, which differs from
        # run to run, and breaks ties by id. Hence two passes: characters first, then as known ones.
        spaced = list(lines())
        characters = sorted(seen - {" ", "\n"})
        base = [UNKNOWN, *characters, *(c + END for c in characters)]
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        trainer = trainers.BpeTrainer(
            vocab_size=len(base) + merges,
            special_tokens=base,
            end_of_word_suffix=END,
            show_progress=False,
        )
        tokenizer.train_from_iterator(spaced, trainer)
        found = _merges(tokenizer)
        if len(found) < merges:
            raise UserError(
                f"params.yaml: bpe.merges = {merges}, but these books have only {len(found)} "
                "pairs to merge; ask for fewer or bring more books"
            )
        symbols = dict.fromkeys([*base, *(a + b for a, b in found), NEWLINE])
        return cls({symbol: id for id, symbol in enumerate(symbols)}, found)

    @classmethod
    def load(cls, folder: Path | str) -> "BPETokenizer":
        """From a model directory, or from a folder with the two released files.

        Raises UserError when there is none or when they do not belong together.
        """
        folder = Path(folder)
        for vocab, merges in FILES:
            if (folder / vocab).is_file() and (folder / merges).is_file():
                return cls._read(folder / vocab, folder / merges)
        raise UserError(f"{folder}: no vocabulary here; vocab.json and merges.txt are needed")

    @classmethod
    def _read(cls, vocab: Path, merges: Path) -> "BPETokenizer":
        try:
            symbols = json.loads(vocab.read_text("utf-8"))
            lines = merges.read_text("utf-8").split("\n")[1:]
            pairs = [(a, b) for a, b in (line.split(" ") for line in lines if line)]
            return cls(symbols, pairs)
        except Exception as error:  # the library raises bare Exceptions
            raise UserError(
                f"{vocab.parent}: {vocab.name} and {merges.name} make no vocabulary ({error}); "
                "copy both again"
            ) from None

    def save(self, folder: Path | str) -> None:
        """Write `vocab.json` and `merges.txt` into a folder that exists."""
        folder = Path(folder)
        vocab = json.dumps(self.vocab, ensure_ascii=False)
        (folder / "vocab.json").write_text(vocab + "\n", "utf-8")
        lines = ["#version: 0.2", *(f"{a} {b}" for a, b in self.merges)]
        (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")

    def __len__(self) -> int:
        return len(self.vocab)

    def encode(self, text: str) -> list[int]:
        """Ids of raw text, through the whole chain; what the vocabulary lacks is id 0."""
        return [id for word in words(text) for id in self._memo[word]]

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """Ids of several texts."""
        return [self.encode(text) for text in texts]

    def decode(self, ids: Iterable[int]) -> str:
        """Text with one space between words; line ends are kept, case and spacing are gone.

        Raises UserError for an id that is not in the vocabulary.
        """
        try:
            text = "".join(self._symbols[int(id)] for id in ids)
        except KeyError as error:
            raise UserError(f"id {error} is not among the {len(self)} of this vocabulary") from None
        return text.replace(END, " ").replace(" \n ", "\n").strip(" ")

    def _split(self, word: str) -> list[int]:
        # The released code joins a word's pieces by spaces and splits them again, so that a space
        # inside a word (spaCy keeps some emoticons whole) counts as two unknown symbols.
        return [token.id for token in self._model.tokenize(word.replace(" ", "  "))]


class _Memo(dict[str, list[int]]):
    """Ids by word; most words come again."""

    def __init__(self, split) -> None:  # type: ignore[no-untyped-def]
        self._split = split

    def __missing__(self, word: str) -> list[int]:
        ids = self[word] = self._split(word)
        return ids


def _merges(tokenizer: "Tokenizer") -> list[tuple[str, str]]:
    return [(a, b) for a, b in json.loads(tokenizer.to_str())["model"]["merges"]]
