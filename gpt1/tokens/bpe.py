"""Byte-pair encoding of words, with the vocabulary laid out as the one released with the paper.

Id 0 is `<unk>`. Then come the characters by code point, the same characters with `</w>` (the end of
a word), one symbol for each merge by rank, and last the line end, `\\n</w>`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from gpt1.errors import UserError
from gpt1.tokens.pre_tokenizer import PreTokenizer

UNKNOWN = "<unk>"
END_OF_WORD = "</w>"
NEWLINE = "\n" + END_OF_WORD
REPEATS = 1 << 16
"""Times that a word is repeated in one string of training text."""
FILE_NAMES = [("vocab.json", "merges.txt"), ("encoder_bpe_40000.json", "vocab_40000.bpe")]
"""Names of the vocabulary file and the merges file: in a model directory, and as released."""


class BPETokenizer:
    """Encodes raw text to ids and decodes ids to text.

    vocab: symbol -> id. merges: the pairs of symbols to merge, by rank.
    The ids of each chunk between white space are remembered, up to `PreTokenizer.is_full`.
    """

    def __init__(self, vocab: dict[str, int], merges: list[tuple[str, str]]) -> None:
        from tokenizers import models

        self.vocab = vocab
        self.merges = merges
        self._symbols = {id: symbol for symbol, id in vocab.items()}
        self._model = models.BPE(
            vocab=vocab, merges=merges, unk_token=UNKNOWN, end_of_word_suffix=END_OF_WORD
        )
        self._clear_cache()

    @classmethod
    def train(cls, texts: Iterable[str], merges: int) -> "BPETokenizer":
        """Learn merges from raw texts; of equally frequent pairs the one with the lower ids wins.

        merges: how many. Raises UserError when the texts have fewer pairs.
        """
        return cls.train_from_counts(count_words(texts), merges)

    @classmethod
    def train_from_counts(cls, counts: Counter[str], merges: int) -> "BPETokenizer":
        """The same from the count of each word in the texts."""
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        # By default the library numbers the characters in the order of a hash map, which differs in
        # each run, and breaks ties by number. As special tokens they keep the order given here.
        characters = sorted(set().union(*counts) - {"\n"})
        base = [UNKNOWN, *characters, *(c + END_OF_WORD for c in characters)]
        trainer = trainers.BpeTrainer(
            vocab_size=len(base) + merges,
            special_tokens=base,
            end_of_word_suffix=END_OF_WORD,
            show_progress=False,
        )
        library = Tokenizer(models.BPE())
        library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        library.train_from_iterator(_repeated_words(counts), trainer)
        learned = [(a, b) for a, b in json.loads(library.to_str())["model"]["merges"]]
        if len(learned) < merges:
            raise UserError(
                f"params.yaml: bpe.merges = {merges}, but these books have only {len(learned)} "
                "pairs to merge; set a smaller number or add books"
            )
        symbols = dict.fromkeys([*base, *(a + b for a, b in learned), NEWLINE])
        return cls({symbol: id for id, symbol in enumerate(symbols)}, learned)

    @classmethod
    def load(cls, folder: Path | str) -> "BPETokenizer":
        """Load from a model directory, or from a folder with the two released files.

        Raises UserError when the files are missing or do not belong together.
        """
        folder = Path(folder)
        for vocab, merges in FILE_NAMES:
            if (folder / vocab).is_file() and (folder / merges).is_file():
                return cls._load_files(folder / vocab, folder / merges)
        missing = [name for name in FILE_NAMES[0] if not (folder / name).is_file()]
        raise UserError(
            f"{folder}: no {' and no '.join(missing)}; copy vocab.json and merges.txt of one "
            "vocabulary there"
        )

    @classmethod
    def _load_files(cls, vocab: Path, merges: Path) -> "BPETokenizer":
        try:
            symbols = json.loads(vocab.read_text("utf-8"))
            lines = merges.read_text("utf-8").split("\n")[1:]
            pairs = [(a, b) for a, b in (line.split(" ") for line in lines if line)]
            if symbol := _symbol_without_merge(symbols, pairs):
                raise ValueError(f"no merge makes {symbol}")
            return cls(symbols, pairs)
        except Exception as error:  # the library raises bare Exceptions
            raise UserError(
                f"{vocab.parent}: {vocab.name} and {merges.name} do not belong together ({error}); "
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
        """The ids of raw text; a symbol that the vocabulary lacks is id 0 (`<unk>`)."""
        return self.encode_array(text).tolist()

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of several raw texts."""
        return [self.encode(text) for text in texts]

    def encode_array(self, text: str) -> np.ndarray:
        """The ids of raw text, uint16 (tokens,)."""
        if self._pre_tokenizer.is_full():
            self._clear_cache()
        chunks = self._pre_tokenizer.chunks(text)
        self._encode_new_chunks()
        lengths = self._lengths[chunks]
        ends = np.cumsum(lengths)
        if not len(ends):
            return np.zeros(0, np.uint16)
        # The indices into `_ids` as a cumulative sum, without a loop over chunks: steps of 1 inside
        # a chunk, and from the last id of one chunk to the first id of the next.
        steps = np.ones(ends[-1], np.int64)
        first = self._starts[chunks]
        steps[0] = first[0]
        steps[ends[:-1]] = first[1:] - (first + lengths)[:-1] + 1
        return self._ids[np.cumsum(steps)]

    def decode(self, ids: Iterable[int]) -> str:
        """The words of `ids` with single spaces between them; line ends are kept.

        Raises UserError for an id that is not in the vocabulary.
        """
        try:
            text = "".join(self._symbols[int(id)] for id in ids)
        except KeyError as error:
            raise UserError(f"id {error} is not in this vocabulary of {len(self)}") from None
        return text.replace(END_OF_WORD, " ").replace(" \n ", "\n").strip(" ")

    def ends_word(self) -> np.ndarray:
        """For each id, whether it ends a word, bool (V,)."""
        mask = np.zeros(len(self.vocab), dtype=bool)
        mask[[id for symbol, id in self.vocab.items() if symbol.endswith(END_OF_WORD)]] = True
        return mask

    def _clear_cache(self) -> None:
        self._pre_tokenizer = PreTokenizer()
        self._ids = np.zeros(0, np.uint16)
        self._starts = self._lengths = np.zeros(0, np.int64)

    def _encode_new_chunks(self) -> None:
        """Append the ids of the chunks that the pre-tokenizer has met since the last call."""
        new = self._pre_tokenizer.words[len(self._lengths) :]
        if not new:
            return
        ids = [[id for word in chunk for id in self._encode_word(word)] for chunk in new]
        self._ids = np.concatenate([self._ids, np.fromiter(chain.from_iterable(ids), np.uint16)])
        self._lengths = np.concatenate([self._lengths, np.fromiter(map(len, ids), np.int64)])
        self._starts = np.cumsum(self._lengths) - self._lengths

    def _encode_word(self, word: str) -> list[int]:
        return [token.id for token in self._model.tokenize(word)]


def _symbol_without_merge(vocab: Iterable[str], merges: Iterable[tuple[str, str]]) -> str:
    """A symbol of several characters that no merge makes, as when the merges file was truncated.

    Empty if there is none.
    """
    merged = {a + b for a, b in merges}
    several = (s for s in vocab if len(s.removesuffix(END_OF_WORD)) > 1 and s not in merged)
    return next((s for s in several if not (s.startswith("<") and s.endswith(">"))), "")


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Count each word in raw texts."""
    counts: Counter[str] = Counter()
    for text in texts:
        pre_tokenizer = _shared_pre_tokenizer()
        pre_tokenizer.count_words(pre_tokenizer.chunks(text), counts)
    return counts


_pre_tokenizers: list[PreTokenizer] = []


def _shared_pre_tokenizer() -> PreTokenizer:
    """One for each process, so that a chunk is split once for all of its texts."""
    if not _pre_tokenizers or _pre_tokenizers[0].is_full():
        _pre_tokenizers[:] = [PreTokenizer()]
    return _pre_tokenizers[0]


def _repeated_words(counts: Counter[str]) -> Iterator[str]:
    """Yield each word as often as it was counted: the library's trainer takes texts, not counts."""
    for word, times in sorted(counts.items()):
        line = (word + " ") * min(times, REPEATS)
        for _ in range(times // REPEATS):
            yield line
        yield line[: (len(word) + 1) * (times % REPEATS)]
