"""Log-probabilities of continuations after prefixes, for many questions at once.

Shared prefixes are computed once. Texts are sorted, and each is merged into a prefix tree with its
neighbour: a row of a batch is one tree, in which a token attends to its ancestors. So the answers
of a question share their article, and sentences their first words. Logits are computed once for
each position that predicts a continuation.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gpt1.device import tokens_at_once
from gpt1.model.language_model import LanguageModel
from gpt1.model.transformer import GPT

TOKENS_IN_ROW = 128
"""Limit of a row whose texts share little: attention is quadratic in the tokens of a row."""
TOKENS_IN_SHARED_ROW = 1024
"""Limit of a row whose texts share most of their tokens."""
LOGITS_AT_ONCE, LOGITS_AT_ONCE_ON_ACCELERATOR = 512, 8192
"""Positions whose logits are in memory together, each as wide as the vocabulary."""


@dataclass(frozen=True)
class Question:
    """Token ids of a prefix and of the continuations to be scored after it; none is empty."""

    prefix: Sequence[int]
    continuations: Sequence[Sequence[int]]

    def truncated(self, context: int) -> "Question":
        """Truncate to the context: continuations lose their end, the prefix its beginning."""
        continuations = [c[:context] for c in self.continuations]
        room = context + 1 - max(map(len, continuations))  # the last token is predicted, not read
        return Question(self.prefix[-room:], continuations)


class Scores(NamedTuple):
    """Of the tokens of a continuation."""

    log_probabilities: np.ndarray
    """float32 (tokens,), in nats."""
    greedy: np.ndarray
    """bool (tokens,): whether the token is the most probable one."""
    of_class: np.ndarray
    """float32 (tokens,), in nats: the log-probability of all tokens of the token's class."""


def log_probabilities(
    model: LanguageModel, questions: Sequence[Question]
) -> list[list[np.ndarray]]:
    """For each question and continuation, float32 (tokens,): log-probabilities in nats."""
    scored = score(model, questions)
    return [[each.log_probabilities for each in continuations] for continuations in scored]


@torch.inference_mode()
def score(
    model: LanguageModel, questions: Sequence[Question], classes: np.ndarray | None = None
) -> list[list[Scores]]:
    """The scores of each question's continuations.

    The first token of a continuation is predicted from the last token of the prefix. Questions are
    truncated to the model's context. classes: bool (V,), divides the vocabulary into two classes;
    without it all tokens are of one, whose log-probability is 0.
    """
    model.eval()
    truncated = [question.truncated(model.config.context) for question in questions]
    texts = [_Text(tuple(q.prefix), tuple(c)) for q in truncated for c in q.continuations]
    scored: dict[_Text, Scores] = {}
    device = model.tokens.weight.device
    divided = None if classes is None else torch.from_numpy(classes).to(device)
    rows = _rows(dict.fromkeys(texts), branching=isinstance(model, GPT))
    for batch in _batches(rows, tokens_at_once(device)):
        scored |= _score(model, batch, divided)
    scores = iter(scored[text] for text in texts)
    return [[next(scores) for _ in question.continuations] for question in truncated]


@dataclass(frozen=True)
class _Text:
    prefix: tuple[int, ...]
    continuation: tuple[int, ...]

    @property
    def read(self) -> tuple[int, ...]:
        """The network's input: all tokens but the last, which is only predicted."""
        return self.prefix + self.continuation[:-1]


@dataclass
class _Row:
    """A prefix tree of texts, depth first: a token's descendants follow it up to its `end`."""

    tokens: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    path: list[int] = field(default_factory=list)
    """Positions of the tokens of the text that was added last."""
    texts: list[tuple[_Text, list[int]]] = field(default_factory=list)
    """Each with the positions that its continuation is predicted from."""

    def shared(self, read: tuple[int, ...]) -> int:
        """Number of leading tokens that `read` has in common with the last text."""
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
    """Pack texts into rows. Without `branching` (recurrent networks) a row is a single path."""
    row = _Row()
    for text in sorted(texts, key=lambda text: text.read):
        shared = row.shared(text.read)
        new = len(text.read) - shared
        goes_on = shared == len(row.path)
        fits = len(row.tokens) + new <= (TOKENS_IN_SHARED_ROW if shared >= new else TOKENS_IN_ROW)
        if not (goes_on or (branching and fits)):
            row.close()
            yield row
            row = _Row()
        row.add(text)
    if row.tokens:
        row.close()
        yield row


def _batches(rows: Iterable[_Row], limit: int) -> Iterator[list[_Row]]:
    """Batch rows of similar length, shortest first, of at most `limit` tokens with padding."""
    batch: list[_Row] = []
    for row in sorted(rows, key=lambda row: len(row.tokens)):
        if batch and (len(batch) + 1) * len(row.tokens) > limit:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _score(
    model: LanguageModel, batch: Sequence[_Row], classes: Tensor | None
) -> dict[_Text, Scores]:
    """The scores of the continuation of each text in the batch."""
    length = max(len(row.tokens) for row in batch)
    tokens = np.zeros((len(batch), length), np.int64)
    depths = np.zeros((len(batch), length), np.int64)
    ends = np.tile(np.arange(1, length + 1), (len(batch), 1))  # padding attends to itself alone
    where: list[int] = []  # flat positions of the states that predict
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
    if all(
        min(row.ends) == len(row.tokens) for row in batch
    ):  # every row is a single path: causal attention
        states = model.states(ids)
    else:
        assert isinstance(model, GPT)
        visible = _visible(torch.from_numpy(ends).to(device))
        states = model.states(ids, torch.from_numpy(depths).to(device), visible)
    predicted = torch.tensor(where), torch.tensor(targets)
    scores = _token_scores(model, states.flatten(0, 1), *predicted, classes)
    texts = [text for row in batch for text, _ in row.texts]
    ends = np.cumsum([len(text.continuation) for text in texts])[:-1]
    each = map(Scores, *(np.split(found.numpy(), ends) for found in scores))
    return dict(zip(texts, each, strict=True))


def _visible(ends: Tensor) -> Tensor:
    """bool (B, 1, T, T): the attention mask, in which a token sees itself and its ancestors."""
    places = torch.arange(ends.shape[1], device=ends.device)
    seen, seeing = places[None, :], places[:, None]
    return ((seen <= seeing) & (seeing < ends[:, None, :]))[:, None]


def _token_scores(
    model: LanguageModel, states: Tensor, where: Tensor, targets: Tensor, classes: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Of each target, on the CPU: log p(target) from the state at `where`, of states (M, C),
    float32 (N,); whether no other token is more probable, bool (N,); log p(its class), the same.

    What is found in each chunk of logits is copied to the CPU, which waits for the device.
    """
    device = states.device
    chunk = LOGITS_AT_ONCE if device.type == "cpu" else LOGITS_AT_ONCE_ON_ACCELERATOR
    order = where.argsort(stable=True)
    places, counts = where[order].unique_consecutive(return_counts=True)
    found, greedy = torch.empty(len(where)), torch.empty(len(where), dtype=torch.bool)
    of_class = torch.zeros(len(where))
    first = 0
    for part, count in zip(places.split(chunk), counts.split(chunk), strict=True):
        logits = F.linear(states[part.to(device)], model.tokens.weight)  # (chunk, V)
        which = order[first : first + int(count.sum())]
        rows = torch.arange(len(part)).repeat_interleave(count).to(device)
        wanted = targets[which].to(device)
        right, greatest = logits[rows, wanted], logits.amax(-1)
        sums = [
            logits.masked_fill(other, -torch.inf).logsumexp(-1)
            for other in ([] if classes is None else [classes, ~classes])
        ]
        # In place, with the greatest that is needed anyway: a quarter of the time of logsumexp.
        total = greatest + logits.sub_(greatest[:, None]).exp_().sum(-1).log()
        found[which] = (right - total[rows]).cpu()
        greedy[which] = (right >= greatest[rows]).cpu()
        if classes is not None:
            of_class[which] = (torch.stack(sums) - total)[classes[wanted].long(), rows].cpu()
        first += len(which)
    return found, greedy, of_class
