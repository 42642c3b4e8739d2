"""The byte-level BPE of GPT-2: `tokenizers` does all of the work.

Section 2.2 of "Language Models are Unsupervised Multitask Learners" (Radford et al., 2019). The
symbols are runs of bytes, so every text can be encoded, and decoded to the same text. The first
symbol of a word includes the space before it. No symbol mixes letters with digits or marks.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from gpt1.errors import UserError
from gpt1.tokens.vocabulary import Vocabulary, write_vocabulary

END_OF_TEXT = "<|endoftext|>"
NO_SPACE_BEFORE = set(".,;:!?)]}%'")
"""Characters that follow a word without a space."""


class ByteLevelTokenizer:
    """Encodes raw text to the ids of `GPT2TokenizerFast`, and decodes ids to text.

    vocab, merges, added: as in `BPETokenizer`. In a text, `<|endoftext|>` and tokens that were
    added are found and encoded as one, as `transformers` does.
    """

    def __init__(
        self,
        vocab: dict[str, int],
        merges: list[tuple[str, str]],
        added: dict[str, int] | None = None,
    ) -> None:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers

        self.vocab, self.merges, self.added = vocab, merges, added or {}
        self.symbols = {id: symbol for symbol, id in (vocab | self.added).items()}
        """Id -> symbol, of the added tokens too."""
        self.end_of_text = vocab.get(END_OF_TEXT, self.added.get(END_OF_TEXT))
        """The id of the token that stands between texts; None in a vocabulary without one."""
        self._library = Tokenizer(models.BPE(vocab=vocab, merges=merges))
        self._library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._library.decoder = decoders.ByteLevel()
        # The library numbers added tokens from the end of the vocabulary on.
        tokens = [*self._vocabulary.unmerged, *sorted(self.added, key=self.added.__getitem__)]
        self._library.add_special_tokens(tokens)
        for token, id in self.added.items():
            if self._library.token_to_id(token) != id:
                raise UserError(f"the added token {token} has the id {id}, below the vocabulary's")

    def save(self, folder: Path | str) -> None:
        """Write the vocabulary into a folder that exists."""
        write_vocabulary(Path(folder), self._vocabulary)

    @property
    def digest(self) -> str:
        """SHA-256 of the vocabulary's content."""
        return self._vocabulary.digest

    def __len__(self) -> int:
        return len(self.vocab) + len(self.added)

    def encode(self, text: str) -> list[int]:
        """The ids of raw text."""
        return self._library.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of several raw texts."""
        found = self._library.encode_batch_fast(list(texts), add_special_tokens=False)
        return [each.ids for each in found]

    def encode_arrays(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The ids of several raw texts end to end, uint16 (tokens,), and each one's number."""
        found = [np.array(ids, np.uint16) for ids in self.encode_batch(texts)]
        lengths = np.array([len(ids) for ids in found], np.int64)
        return np.concatenate([np.zeros(0, np.uint16), *found]), lengths

    def encode_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of raw text, and where in it each one's characters begin and end.

        Tokens that share the bytes of a character have all of it.
        """
        found = self._library.encode(text, add_special_tokens=False)
        return found.ids, found.offsets

    def begins_with_space(self) -> np.ndarray:
        """For each id, whether a word before it has ended, bool (V,).

        It has before white space and at `<|endoftext|>`. Bytes that are only the beginning of a
        character (some of the white space beyond ASCII) count as none.
        """
        return np.array(
            [self.decode([id])[:1].isspace() or id == self.end_of_text for id in range(len(self))]
        )

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; bytes that are no UTF-8 become U+FFFD.

        Raises UserError for an id that is not in the vocabulary.
        """
        listed = [self._checked(id) for id in ids]
        return self._library.decode(listed, skip_special_tokens=False)

    def continuing(self, text: str) -> str:
        """`text` as it stands after another one: after a space, if it begins with a word."""
        is_apart = not text or text[0].isspace() or text[0] in NO_SPACE_BEFORE
        return text if is_apart else f" {text}"

    def continuation(self, ids: Iterable[int]) -> Iterator[str]:
        """Yield the text that `ids` add to a prompt, each character as soon as it is whole."""
        from tokenizers.decoders import DecodeStream

        stream = DecodeStream(skip_special_tokens=False)
        for id in ids:
            if piece := stream.step(self._library, self._checked(id)):
                yield piece

    @property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self.vocab, self.merges, self.added)

    def _checked(self, id: int) -> int:
        """The library skips an id that it does not know."""
        if not 0 <= id < len(self):
            raise UserError(f"id {id} is not in this vocabulary of {len(self)}")
        return int(id)
