"""How likely a language model finds one text after another, for many questions at once.

Continuations of one prefix lie in one row behind it and do not see each other, so a prefix is read
once; rows of like length are batched; logits are taken at the scored tokens alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gpt1.model.language_model import LanguageModel
from gpt1.model.transformer import GPT

TOKENS_AT_ONCE = 1024
LOGITS_AT_ONCE = 1024


@dataclass(frozen=True)
class Question:
    """Continuations to be scored, each after `prefix`; all are token ids, and none is empty."""

    prefix: Sequence[int]
    continuations: Sequence[Sequence[int]]

    def fitted(self, context: int) -> "Question":
        """Cut to what a network of this context can read: the prefix loses its beginning."""
        continuations = [c[: context - 1] for c in self.continuations]
        room = context + 1 - max(map(len, continuations))  # the last token is predicted, not read
        return Question(self.prefix[-room:], continuations)


@torch.inference_mode()
def log_probabilities(
    model: LanguageModel, questions: Sequence[Question]
) -> list[list[np.ndarray]]:
    """For each question and continuation, the log-probability of each of its tokens, in nats.

    The first token of a continuation is predicted from the last one of the prefix.
    """
    model.eval()
    fitted = [question.fitted(model.config.context) for question in questions]
    rows = [
        row for place, q in enumerate(fitted) for row in _rows(place, q, isinstance(model, GPT))
    ]
    found = [[np.empty(0)] * len(question.continuations) for question in questions]
    for batch in _batches(rows):
        for row, scores in zip(batch, _score(model, batch), strict=True):
            bounds = np.cumsum([len(c) for c in row.continuations])
            parts = np.split(scores, bounds[:-1])
            for continuation, part in zip(row.places, parts, strict=True):
                found[row.question][continuation] = part
    return found


@dataclass(frozen=True)
class _Row:
    """A prefix and continuations of it; `places` are theirs in the question they belong to."""

    question: int
    places: Sequence[int]
    prefix: Sequence[int]
    continuations: Sequence[Sequence[int]]

    @property
    def read(self) -> int:
        """Tokens that the network reads: all but the last of each continuation."""
        return len(self.prefix) + sum(len(c) - 1 for c in self.continuations)


def _rows(place: int, question: Question, shared: bool) -> Iterator[_Row]:
    """A recurrent network reads one text after the other; a transformer, all behind one prefix."""
    if shared:
        yield _Row(
            place, range(len(question.continuations)), question.prefix, question.continuations
        )
        return
    for index, continuation in enumerate(question.continuations):
        yield _Row(place, [index], question.prefix, [continuation])


def _batches(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """Rows of like length, shortest first, of at most `TOKENS_AT_ONCE` tokens with their pads."""
    batch: list[_Row] = []
    for row in sorted(rows, key=lambda row: row.read):
        if batch and (len(batch) + 1) * row.read > TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _score(model: LanguageModel, batch: Sequence[_Row]) -> list[np.ndarray]:
    """The log-probabilities of each row's continuations, one after the other."""
    length = max(row.read for row in batch)
    tokens = np.zeros((len(batch), length), np.int64)
    positions = np.zeros((len(batch), length), np.int64)
    branch = np.zeros((len(batch), length), np.int64)  # 0: the prefix and the pads
    where: list[int] = []  # flat places of the states that predict
    targets: list[int] = []
    for index, row in enumerate(batch):
        start = len(row.prefix)
        tokens[index, :start] = row.prefix
        positions[index, :start] = range(start)
        end_of_prefix = index * length + start - 1
        for number, continuation in enumerate(row.continuations, 1):
            end = start + len(continuation) - 1
            tokens[index, start:end] = continuation[:-1]
            positions[index, start:end] = range(len(row.prefix), len(row.prefix) + end - start)
            branch[index, start:end] = number
            where += [end_of_prefix, *range(index * length + start, index * length + end)]
            targets += continuation
            start = end
    if max(len(row.continuations) for row in batch) == 1:
        states = model.states(torch.from_numpy(tokens))
    else:
        assert isinstance(model, GPT)
        visible = _visible(torch.from_numpy(branch))
        states = model.states(torch.from_numpy(tokens), torch.from_numpy(positions), visible)
    scores = _token_log_probabilities(model, states.flatten(0, 1)[where], torch.tensor(targets))
    sizes = [sum(map(len, row.continuations)) for row in batch]
    return np.split(scores.numpy(), np.cumsum(sizes)[:-1])


def _visible(branch: Tensor) -> Tensor:
    """bool (B, 1, T, T): a token sees what came before in the prefix and in its own branch."""
    same = branch[:, :, None] == branch[:, None, :]
    before = torch.ones(branch.shape[1], branch.shape[1], dtype=torch.bool).tril()
    return ((same | (branch == 0)[:, None, :]) & before)[:, None]


def _token_log_probabilities(model: LanguageModel, states: Tensor, targets: Tensor) -> Tensor:
    """float32 (N,): log p(target) after each of the states (N, C)."""
    parts = []
    for start in range(0, len(targets), LOGITS_AT_ONCE):
        part = slice(start, start + LOGITS_AT_ONCE)
        logits = F.linear(states[part], model.tokens.weight)
        parts.append(-F.cross_entropy(logits, targets[part], reduction="none"))
    return torch.cat(parts)
