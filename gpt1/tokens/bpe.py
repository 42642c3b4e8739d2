"""Byte-pair encoding of words, laid out as the vocabulary released with the paper.

Id 0 is `<unk>`; then the characters, sorted by code point; the same with `</w>`, which marks the
end of a word; then one id for each merge, by rank; last the line end, `\\n</w>`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from gpt1.errors import UserError
from gpt1.tokens.words import ChunkTable

UNKNOWN = "<unk>"
END = "</w>"
NEWLINE = "\n" + END
LINE = 1 << 16
"""Times a word is repeated in one piece of training text."""
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
        self._forget()

    @classmethod
    def train(cls, texts: Iterable[str], merges: int) -> "BPETokenizer":
        """Learn `merges` merges from raw texts; where two pairs are as frequent, the lower ids win.

        Raises UserError when the texts run out of pairs.
        """
        return cls.train_counts(count_words(texts), merges)

    @classmethod
    def train_counts(cls, counts: Counter[str], merges: int) -> "BPETokenizer":
        """The same, from how often each word stands in the texts."""
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        # Left alone, the library numbers the characters in the order of a hash map, other in every
        # run, and breaks ties by number. As special tokens they keep the order they are given in.
        characters = sorted(set().union(*counts) - {"\n"})
        base = [UNKNOWN, *characters, *(c + END for c in characters)]
        trainer = trainers.BpeTrainer(
            vocab_size=len(base) + merges,
            special_tokens=base,
            end_of_word_suffix=END,
            show_progress=False,
        )
        library = Tokenizer(models.BPE())
        library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        library.train_from_iterator(_repeated(counts), trainer)
        found = [(a, b) for a, b in json.loads(library.to_str())["model"]["merges"]]
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
            if unmade := _unmade(symbols, pairs):
                raise ValueError(f"no merge makes {unmade}")
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
        return self.encode_array(text).tolist()

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """Ids of several texts."""
        return [self.encode(text) for text in texts]

    def encode_array(self, text: str) -> np.ndarray:
        """Ids of raw text, uint16 (tokens,)."""
        if self._table.full():
            self._forget()
        chunks = self._table.chunks(text)
        self._learn()
        lengths = self._lengths[chunks]
        ends = np.cumsum(lengths)
        if not len(ends):
            return np.zeros(0, np.uint16)
        steps = np.ones(
            ends[-1], np.int64
        )  # to the next id of the same chunk, or to the next chunk
        first = self._starts[chunks]
        steps[0] = first[0]
        steps[ends[:-1]] = first[1:] - (first + lengths)[:-1] + 1
        return self._ids[np.cumsum(steps)]

    def decode(self, ids: Iterable[int]) -> str:
        """Text with one space between words; line ends are kept, case and spacing are gone.

        Raises UserError for an id that is not in the vocabulary.
        """
        try:
            text = "".join(self._symbols[int(id)] for id in ids)
        except KeyError as error:
            raise UserError(f"id {error} is not among the {len(self)} of this vocabulary") from None
        return text.replace(END, " ").replace(" \n ", "\n").strip(" ")

    def ends_word(self) -> np.ndarray:
        """bool (V,): for each id, whether it ends a word."""
        found = np.zeros(len(self.vocab), dtype=bool)
        found[[id for symbol, id in self.vocab.items() if symbol.endswith(END)]] = True
        return found

    def _forget(self) -> None:
        self._table = ChunkTable()
        self._ids = np.zeros(0, np.uint16)
        self._starts = self._lengths = np.zeros(0, np.int64)

    def _learn(self) -> None:
        """Work out the ids of the chunks that came up since."""
        new = self._table.words[len(self._lengths) :]
        if not new:
            return
        ids = [[id for word in chunk for id in self._word(word)] for chunk in new]
        self._ids = np.concatenate([self._ids, np.fromiter(chain.from_iterable(ids), np.uint16)])
        self._lengths = np.concatenate([self._lengths, np.fromiter(map(len, ids), np.int64)])
        self._starts = np.cumsum(self._lengths) - self._lengths

    def _word(self, word: str) -> list[int]:
        return [token.id for token in self._model.tokenize(word)]


def _unmade(vocab: Iterable[str], merges: Iterable[tuple[str, str]]) -> str:
    """A symbol of several characters that the merges never make, as when their file was cut."""
    made = {a + b for a, b in merges}
    several = (s for s in vocab if len(s.removesuffix(END)) > 1 and s not in made)
    return next((s for s in several if not (s.startswith("<") and s.endswith(">"))), "")


def count_words(texts: Iterable[str]) -> Counter[str]:
    """How often each word stands in raw texts."""
    counts: Counter[str] = Counter()
    for text in texts:
        table = _counting_table()
        table.count(table.chunks(text), counts)
    return counts


_tables: list[ChunkTable] = []


def _counting_table() -> ChunkTable:
    """The table of this process: what one text taught serves the next."""
    if not _tables or _tables[0].full():
        _tables[:] = [ChunkTable()]
    return _tables[0]


def _repeated(counts: Counter[str]) -> Iterator[str]:
    """Each word as often as it was counted, for the library has no other way to be told."""
    for word, times in sorted(counts.items()):
        line = (word + " ") * min(times, LINE)
        for _ in range(times // LINE):
            yield line
        yield line[: (len(word) + 1) * (times % LINE)]
