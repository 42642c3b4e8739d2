"""Byte-pair encoding of words, with the vocabulary laid out as the one released with the paper.

Id 0 is `<unk>`. Then come the characters by code point, the same characters with `</w>` (the end of
a word), one symbol for each merge by rank, and last the line end, `\\n</w>`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from gpt1.errors import UserError
from gpt1.tokens.detokenize import detokenize
from gpt1.tokens.offsets import offsets
from gpt1.tokens.pre_tokenizer import PreTokenizer
from gpt1.tokens.transformers_files import write_transformers_files
from gpt1.tokens.vocabulary import (
    END_OF_WORD,
    UNKNOWN,
    Vocabulary,
    read_vocabulary,
    write_vocabulary,
)

NEWLINE = "\n" + END_OF_WORD
REPEATS = 1 << 16
"""Times that a word is repeated in one string of training text."""


class BPETokenizer:
    """Encodes raw text to ids and decodes ids to text.

    vocab: symbol -> id. merges: the pairs of symbols to merge, by rank. added: tokens that were
    added after training -> id; no text is encoded as one, and each is decoded as a word.
    The ids of each chunk between white space are remembered, up to `PreTokenizer.is_full`.
    """

    def __init__(
        self,
        vocab: dict[str, int],
        merges: list[tuple[str, str]],
        added: dict[str, int] | None = None,
    ) -> None:
        from tokenizers import models

        self.vocab, self.merges, self.added = vocab, merges, added or {}
        self.symbols = {id: symbol for symbol, id in vocab.items()}
        """Id -> symbol, of the added tokens too."""
        self.symbols |= {id: token + END_OF_WORD for token, id in self.added.items()}
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
        """Load the vocabulary from a model directory, or from a folder with the released files.

        Raises UserError when the files are missing, do not belong together, or are a GPT-2's.
        """
        vocabulary = read_vocabulary(Path(folder))
        if vocabulary.is_byte_level:
            raise UserError(f"{folder}: the vocabulary of a GPT-2; gpt1.load_tokenizer opens it")
        return cls(*vocabulary)

    def save(self, folder: Path | str) -> None:
        """Write the vocabulary, and the files for `transformers`, into a folder that exists."""
        write_vocabulary(Path(folder), self._vocabulary)
        write_transformers_files(Path(folder), self.vocab)

    @property
    def digest(self) -> str:
        """SHA-256 of the vocabulary's content."""
        return self._vocabulary.digest

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> list[int]:
        """The ids of raw text; a symbol that the vocabulary lacks is id 0 (`<unk>`)."""
        return self.encode_arrays([text])[0].tolist()

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of several raw texts."""
        ids, lengths = self.encode_arrays(list(texts))
        ends = np.cumsum(lengths)
        return [ids[end - n : end].tolist() for end, n in zip(ends, lengths, strict=True)]

    def encode_arrays(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The ids of several raw texts end to end, uint16 (tokens,), and each one's number of ids.

        New chunks of all texts are encoded at once: to append them copies what is remembered.
        """
        if self._pre_tokenizer.is_full():
            self._clear_cache()
        found = [np.zeros(0, np.int64), *map(self._pre_tokenizer.chunks, texts)]
        chunks = np.concatenate(found)
        self._encode_new_chunks()
        lengths = self._lengths[chunks]
        ends = np.append(0, np.cumsum(lengths))
        of_texts = np.diff(ends[np.cumsum([len(each) for each in found])])
        if not ends[-1]:
            return np.zeros(0, np.uint16), of_texts
        # The indices into `_ids` as a cumulative sum, without a loop over chunks: steps of 1 inside
        # a chunk, and from the last id of one chunk to the first id of the next.
        steps = np.ones(ends[-1], np.int64)
        first = self._starts[chunks]
        steps[0] = first[0]
        steps[ends[1:-1]] = first[1:] - (first + lengths)[:-1] + 1
        return self._ids[np.cumsum(steps)], of_texts

    def encode_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of raw text, and where in it each one's characters begin and end."""
        ids = self.encode(text)
        return ids, offsets(text, [self.symbols[id] for id in ids])

    def decode(self, ids: Iterable[int]) -> str:
        """The words of `ids` with single spaces between them; line ends are kept.

        Raises UserError for an id that is not in the vocabulary.
        """
        try:
            text = "".join(self.symbols[int(id)] for id in ids)
        except KeyError as error:
            raise UserError(f"id {error} is not in this vocabulary of {len(self)}") from None
        return text.replace(END_OF_WORD, " ").replace(" \n ", "\n").strip(" ")

    def continuing(self, text: str) -> str:
        """`text` as it stands after another one: the same, for all words are apart."""
        return text

    def continuation(self, ids: Iterable[int]) -> Iterator[str]:
        """Yield the text that `ids` add to a prompt, each word as soon as it is whole."""
        yield " "
        yield from detokenize(self.symbols[id] for id in ids)

    def ends_word(self) -> np.ndarray:
        """For each id, whether it ends a word, bool (V,)."""
        mask = np.zeros(len(self), dtype=bool)
        mask[[id for id, symbol in self.symbols.items() if symbol.endswith(END_OF_WORD)]] = True
        return mask

    @property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self.vocab, self.merges, self.added)

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
