"""Examples become token sequences, one way for each of the paper's input shapes (Figure 1).

| shape | sequences |
|---|---|
| classification | start text extract |
| entailment | start premise delimiter hypothesis extract |
| similarity, regression on a pair | both orders of: start text delimiter text extract |
| multiple choice | for each choice: start context question delimiter choice extract |

Too long for the context: special tokens are never cut; a single text keeps its head; of a pair the
longer side loses its end until both fit; in multiple choice the context loses its end, and a choice
may fill half of the room at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
import torch

from gpt1.tasks.table import Example, Task


class Tokenizer(Protocol):
    def encode_batch(self, texts: list[str]) -> list[list[int]]: ...


class Specials(NamedTuple):
    """The ids of the three special tokens, which come after the vocabulary."""

    start: int
    delimiter: int
    extract: int

    @classmethod
    def after(cls, vocabulary: int) -> "Specials":
        return cls(vocabulary, vocabulary + 1, vocabulary + 2)


@dataclass(frozen=True)
class Inputs:
    """Encoded examples."""

    sequences: list[list[np.ndarray]]
    """For each example its sequences, int32 (time,)."""
    targets: np.ndarray
    """float64 (examples,), NaN where unknown."""
    truncated: int
    """Examples that were cut to fit the context."""
    truncated_choices: int
    """Examples of which a choice was cut."""

    @property
    def lengths(self) -> np.ndarray:
        """int64 (examples,): the longest sequence of each."""
        return np.array([max(map(len, each)) for each in self.sequences], dtype=np.int64)

    @property
    def cuts(self) -> str:
        """What did not fit the context, for people; empty where all did."""
        if not self.truncated:
            return ""
        choices = f", {self.truncated_choices} in a choice" if self.truncated_choices else ""
        of = len(self.sequences)
        return f"{self.truncated} of {of} examples were cut to fit the context{choices}"


@dataclass(frozen=True)
class Batch:
    """N sequences of B examples, padded at the end to the longest of them."""

    tokens: torch.Tensor
    """int64 (N, T)."""
    lengths: torch.Tensor
    """int64 (N,); the extract token is the last one."""
    example: torch.Tensor
    """int64 (N,): which of the B examples a sequence belongs to."""
    choice: torch.Tensor
    """int64 (N,): which of its example's sequences it is."""
    targets: torch.Tensor
    """float64 (B,)."""
    of: int
    """Examples in the whole update, of which this batch is a part."""

    def to(self, device: torch.device) -> "Batch":
        return replace(
            self,
            tokens=self.tokens.to(device),
            lengths=self.lengths.to(device),
            example=self.example.to(device),
            choice=self.choice.to(device),
            targets=self.targets.to(device),
        )


def encode(
    task: Task, examples: Sequence[Example], tokenizer: Tokenizer, specials: Specials, context: int
) -> Inputs:
    """Token sequences of at most `context` tokens for each example."""
    texts = sorted({text for example in examples for text in _texts(example)})
    words = dict(zip(texts, map(tuple, tokenizer.encode_batch(texts)), strict=True))
    sequences, truncated, truncated_choices = [], 0, 0
    for example in examples:
        first = words[example.text]
        second = words[example.text_pair] if example.text_pair is not None else ()
        if task.shape == "multiple_choice":
            parts: list[tuple[tuple, ...]] = [
                _fit_choice(first, second, words[choice], context - 3)
                for choice in example.choices or ()
            ]
            whole = [(*first, *second, *words[choice]) for choice in example.choices or ()]
            truncated_choices += any(
                len(kept[-1]) < len(words[choice])
                for kept, choice in zip(parts, example.choices or (), strict=True)
            )
        elif example.text_pair is None:
            parts, whole = [(first[: context - 2],)], [first]
        else:
            pair = _fit_pair(first, second, context - 3)
            both = task.shape in ("similarity", "regression")
            parts = [pair, pair[::-1]] if both else [pair]
            whole = [(*first, *second)] * len(parts)
        truncated += any(
            sum(map(len, kept)) < len(all_) for kept, all_ in zip(parts, whole, strict=True)
        )
        sequences.append([_join(each, specials) for each in parts])
    targets = np.array([np.nan if e.target is None else e.target for e in examples], np.float64)
    return Inputs(sequences, targets, truncated, truncated_choices)


def collate(inputs: Inputs, indices: Sequence[int] | np.ndarray, of: int | None = None) -> Batch:
    """The batch of these examples, a part of an update of `of` (all of it, unless told).

    Pads are harmless: attention is causal, and they come last.
    """
    rows = [
        (sequence, example, choice)
        for example, index in enumerate(indices)
        for choice, sequence in enumerate(inputs.sequences[index])
    ]
    lengths = np.array([len(sequence) for sequence, _, _ in rows])
    tokens = np.zeros((len(rows), lengths.max()), dtype=np.int64)
    tokens[np.arange(tokens.shape[1]) < lengths[:, None]] = np.concatenate([row[0] for row in rows])
    return Batch(
        torch.from_numpy(tokens),
        torch.from_numpy(lengths),
        torch.tensor([row[1] for row in rows]),
        torch.tensor([row[2] for row in rows]),
        torch.from_numpy(inputs.targets[np.asarray(indices)]),
        of or len(indices),
    )


class LengthBatches:
    """Seeded batches of examples of like length: few pads, every example once an epoch.

    Each epoch shuffles the examples, sorts pools of `POOL` batches by length, and shuffles the
    batches. A batch is a pure function of the update's number.
    """

    POOL = 64

    def __init__(self, lengths: np.ndarray, batch: int, seed: int) -> None:
        self.lengths, self.batch, self.seed = lengths, batch, seed
        self.in_epoch = -(-len(lengths) // batch)
        self._epoch = lru_cache(maxsize=2)(self._shuffle)

    def __call__(self, update: int) -> np.ndarray:
        """The indices of the examples of one update, counted from 0."""
        epoch, place = divmod(update, self.in_epoch)
        return self._epoch(epoch)[place]

    def _shuffle(self, epoch: int) -> list[np.ndarray]:
        random = np.random.default_rng([self.seed, epoch])
        order = random.permutation(len(self.lengths))
        pool = self.POOL * self.batch
        pools = [order[start : start + pool] for start in range(0, len(order), pool)]
        ordered = np.concatenate([p[np.argsort(self.lengths[p], kind="stable")] for p in pools])
        batches = [
            ordered[start : start + self.batch] for start in range(0, len(order), self.batch)
        ]
        return [batches[place] for place in random.permutation(len(batches))]


def _texts(example: Example) -> list[str]:
    pair = [example.text_pair] if example.text_pair is not None else []
    return [example.text, *pair, *(example.choices or ())]


def _fit_pair(first: tuple, second: tuple, room: int) -> tuple[tuple, tuple]:
    """Cut the longer side from its end until both fit."""
    shorter = min(len(first), len(second), room // 2)
    longer = room - shorter
    if len(first) > len(second):
        return first[:longer], second[:shorter]
    return first[:shorter], second[:longer]


def _fit_choice(context: tuple, question: tuple, choice: tuple, room: int) -> tuple[tuple, tuple]:
    """Cut the context from its end; the question and the choice only where they leave no room."""
    choice = choice[: room // 2]
    question = question[: room - len(choice)]
    return (*context[: room - len(choice) - len(question)], *question), choice


def _join(parts: tuple[tuple, ...], specials: Specials) -> np.ndarray:
    middle = chain.from_iterable((specials.delimiter, *part) for part in parts)
    next(middle)  # delimiters stand between the parts alone
    return np.array([specials.start, *middle, specials.extract], dtype=np.int32)
