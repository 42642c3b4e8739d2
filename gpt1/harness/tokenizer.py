"""Our tokenizer as one of `transformers`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizer

from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.detokenize import detokenize
from gpt1.tokens.offsets import offsets
from gpt1.tokens.vocabulary import UNKNOWN


class GPT1Tokenizer(PreTrainedTokenizer):
    """Gives the ids of `BPETokenizer`.

    No text is ever encoded as a special token. add_bos_token: whether a text begins with the token
    for a beginning, so that a causal model scores the first word too.
    """

    vocab_files_names = {"vocab_file": "vocab.json", "merges_file": "merges.txt"}  # noqa: RUF012
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def __init__(
        self, vocab_file: str, merges_file: str, add_bos_token: bool = False, **kwargs: Any
    ) -> None:
        self.bpe = BPETokenizer.load(Path(vocab_file).parent)
        self.ids = {symbol: id for id, symbol in self.bpe.symbols.items()}
        pattern = "bos" if add_bos_token else "none"
        kwargs |= {"add_bos_token": add_bos_token, "special_tokens_pattern": pattern}
        super().__init__(**kwargs)

    @property
    def vocab_size(self) -> int:
        return len(self.bpe)

    def get_vocab(self) -> dict[str, int]:
        return dict(self.ids)

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False, **_: Any
    ) -> list[str]:
        """The symbols of raw text."""
        return [self.bpe.symbols[id] for id in self.bpe.encode(text)]

    def _convert_token_to_id(self, token: str) -> int:
        return self.ids.get(token, self.ids[UNKNOWN])

    def _convert_id_to_token(self, index: int) -> str:
        return self.bpe.symbols.get(index, UNKNOWN)  # rows added by fine-tuning have no symbol

    def _decode(
        self,
        token_ids: int | list[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **_: Any,
    ) -> str:
        """Readable text. Full stops and line ends are part of it, though they are special."""
        ids = [token_ids] if isinstance(token_ids, int) else token_ids
        unknown = self.ids[UNKNOWN]
        known = [id if id in self.bpe.symbols else unknown for id in map(int, ids)]
        kept = (id for id in known if not (skip_special_tokens and id == unknown))
        return "".join(detokenize(self.bpe.symbols[id] for id in kept))

    def _encode_plus(
        self, text: Any, *args: Any, return_offsets_mapping: bool = False, **kwargs: Any
    ) -> BatchEncoding:
        encoding = super()._encode_plus(text, *args, **kwargs)
        if return_offsets_mapping:
            lone = isinstance(text, str)
            rows = [encoding["input_ids"]] if lone else encoding["input_ids"]
            found = list(map(self._offsets, [text] if lone else text, rows))
            encoding["offset_mapping"] = found[0] if lone else found
        return encoding

    def _offsets(self, text: str, ids: Sequence[int]) -> list[tuple[int, int]]:
        """For each id, where it begins and ends in the text; (0, 0) for an added first token."""
        symbols = self.tokenize(text)
        added = len(ids) - len(symbols)
        if added not in {0, 1} or (added and ids[0] != self.bos_token_id):
            raise ValueError("offsets are there for whole single texts without padding alone")
        return [(0, 0)] * added + offsets(text, symbols)

    def save_vocabulary(
        self, save_directory: str, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        self.bpe.save(save_directory)
        return tuple(str(Path(save_directory, name)) for name in self.vocab_files_names.values())
