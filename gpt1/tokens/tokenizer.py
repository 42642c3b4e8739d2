"""A tokenizer of either kind: GPT-1's, of words, or GPT-2's, of bytes."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.byte_level import ByteLevelTokenizer
from gpt1.tokens.vocabulary import read_vocabulary


class Tokenizer(Protocol):
    """What every stage after pretraining needs of a vocabulary."""

    def save(self, folder: Path | str) -> None: ...
    @property
    def digest(self) -> str: ...
    def __len__(self) -> int: ...
    def encode(self, text: str) -> list[int]: ...
    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]: ...
    def encode_arrays(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]: ...
    def encode_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]: ...
    def decode(self, ids: Iterable[int]) -> str: ...
    def continuing(self, text: str) -> str: ...
    def continuation(self, ids: Iterable[int]) -> Iterator[str]: ...


def load_tokenizer(folder: Path | str) -> BPETokenizer | ByteLevelTokenizer:
    """Load the vocabulary in a model directory, or in a folder with the released files.

    Raises UserError when the files are missing or do not belong together.
    """
    vocabulary = read_vocabulary(Path(folder))
    kind = ByteLevelTokenizer if vocabulary.is_byte_level else BPETokenizer
    return kind(*vocabulary)


@lru_cache(maxsize=1)
def shared_tokenizer(folder: Path, digest: str) -> BPETokenizer | ByteLevelTokenizer:
    """The vocabulary in `folder`, loaded once for each worker process.

    digest: of the vocabulary. A Dask worker outlives a run, and the folder may change meanwhile.
    """
    return load_tokenizer(folder)
