"""How likely a language model finds one text after another, for many questions at once.

Texts are sorted, and one that begins as its neighbour does is read from where they part: a row of a
batch holds a tree of texts, in which a token sees the tokens that lead to it. So the answers of a
question share their article, and sentences their beginnings. Logits are taken where something is
predicted, once for each such place.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gpt1.model.language_model import LanguageModel
from gpt1.model.transformer import GPT

TOKENS_IN_ROW = 128
"""Texts that share little fill a row up to here: attention looks at all pairs of its tokens."""
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
    texts = [_Text(tuple(q.prefix), tuple(c)) for q in fitted for c in q.continuations]
    found: dict[_Text, np.ndarray] = {}
    for batch in _batches(_rows(dict.fromkeys(texts), branching=isinstance(model, GPT))):
        found |= _score(model, batch)
    scores = iter(found[text] for text in texts)
    return [[next(scores) for _ in question.continuations] for question in fitted]


@dataclass(frozen=True)
class _Text:
    prefix: tuple[int, ...]
    continuation: tuple[int, ...]

    @property
    def read(self) -> tuple[int, ...]:
        """What the network reads: all but the last token, which is predicted."""
        return self.prefix + self.continuation[:-1]


@dataclass
class _Row:
    """A tree of texts, depth first: what follows a token up to its `end` comes after it."""

    tokens: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    path: list[int] = field(default_factory=list)
    """Places of the tokens of the text that was added last."""
    texts: list[tuple[_Text, list[int]]] = field(default_factory=list)
    """Each with the places of the tokens that its continuation is predicted from."""

    def shared(self, read: tuple[int, ...]) -> int:
        """How many tokens of `read` the last text begins with."""
        last = (self.tokens[place] for place in self.path)
        both = zip(read, last, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], both))

    def add(self, text: _Text) -> None:
        new = text.read[(start := self.shared(text.read)) :]
        for place in self.path[start:]:
            self.ends[place] = len(self.tokens)
        self.path[start:] = range(len(self.tokens), len(self.tokens) + len(new))
        self.tokens += new
        self.depths += range(start, start + len(new))
        self.ends += [-1] * len(new)
        self.texts.append((text, self.path[len(text.prefix) - 1 :]))

    def close(self) -> None:
        for place in self.path:
            self.ends[place] = len(self.tokens)


def _rows(texts: Iterable[_Text], branching: bool) -> Iterator[_Row]:
    """A recurrent network cannot go back to where two texts part: it only goes on."""
    row = _Row()
    for text in sorted(texts, key=lambda text: text.read):
        shared = row.shared(text.read)
        new = len(text.read) - shared
        goes_on = shared == len(row.path)
        fits = len(row.tokens) + new <= (TOKENS_AT_ONCE if shared >= new else TOKENS_IN_ROW)
        if not (goes_on or (branching and fits)):
            row.close()
            yield row
            row = _Row()
        row.add(text)
    if row.tokens:
        row.close()
        yield row


def _batches(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    """Rows of like length, shortest first, of at most `TOKENS_AT_ONCE` tokens with their pads."""
    batch: list[_Row] = []
    for row in sorted(rows, key=lambda row: len(row.tokens)):
        if batch and (len(batch) + 1) * len(row.tokens) > TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _score(model: LanguageModel, batch: Sequence[_Row]) -> dict[_Text, np.ndarray]:
    """The log-probabilities of the continuations of each text in the batch."""
    length = max(len(row.tokens) for row in batch)
    tokens = np.zeros((len(batch), length), np.int64)
    depths = np.zeros((len(batch), length), np.int64)
    ends = np.tile(np.arange(1, length + 1), (len(batch), 1))  # a pad is seen by itself alone
    where: list[int] = []  # flat places of the states that predict
    targets: list[int] = []
    for index, row in enumerate(batch):
        tokens[index, : len(row.tokens)] = row.tokens
        depths[index, : len(row.tokens)] = row.depths
        ends[index, : len(row.tokens)] = row.ends
        for text, places in row.texts:
            where += [index * length + place for place in places]
            targets += text.continuation
    device = model.tokens.weight.device
    ids = torch.from_numpy(tokens).to(device)
    if all(min(row.ends) == len(row.tokens) for row in batch):  # no text parts from another
        states = model.states(ids)
    else:
        assert isinstance(model, GPT)
        visible = _visible(torch.from_numpy(ends).to(device))
        states = model.states(ids, torch.from_numpy(depths).to(device), visible)
    scores = _token_log_probabilities(
        model, states.flatten(0, 1), torch.tensor(where), torch.tensor(targets)
    )
    texts = [text for row in batch for text, _ in row.texts]
    sizes = [len(text.continuation) for text in texts]
    return dict(zip(texts, np.split(scores.numpy(), np.cumsum(sizes)[:-1]), strict=True))


def _visible(ends: Tensor) -> Tensor:
    """bool (B, 1, T, T): a token sees itself and those whose texts it is in."""
    places = torch.arange(ends.shape[1], device=ends.device)
    seen, seeing = places[None, :], places[:, None]
    return ((seen <= seeing) & (seeing < ends[:, None, :]))[:, None]


def _token_log_probabilities(
    model: LanguageModel, states: Tensor, where: Tensor, targets: Tensor
) -> Tensor:
    """float32 (N,), on the CPU: log p(target) after the state at `where`, of states (M, C)."""
    order = where.argsort(stable=True)
    places, counts = where[order].unique_consecutive(return_counts=True)
    found = torch.empty(len(where))
    first = 0
    for part, count in zip(places.split(LOGITS_AT_ONCE), counts.split(LOGITS_AT_ONCE), strict=True):
        logits = F.linear(states[part.to(states.device)], model.tokens.weight)  # (chunk, V)
        which = order[first : first + int(count.sum())]
        rows = torch.arange(len(part)).repeat_interleave(count).to(states.device)
        chosen = logits[rows, targets[which].to(states.device)]
        found[which] = (chosen - logits.logsumexp(-1)[rows]).cpu()
        first += len(which)
    return found
