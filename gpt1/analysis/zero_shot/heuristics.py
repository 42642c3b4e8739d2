"""What a language model knows of a task before it is fine-tuned (section 5, "Zero-shot Behaviors").

| heuristic | tasks | the answer is |
|---|---|---|
| acceptability | CoLA | yes, where the mean token log-probability is above a threshold |
| sentiment | SST-2 | the likelier of `positive` and `negative` after the sentence and `very` |
| referent | DPRD, Winograd schemas | the candidate that makes what follows the pronoun likelier |
| answer | every other multiple choice | the choice with the largest mean token log-probability |

The threshold is chosen on the training split, never on what is scored. A text with nothing before
it is scored as if it followed a full stop: the network learned no token for a beginning.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gpt1.analysis.zero_shot.scoring import Question, log_probabilities
from gpt1.errors import UserError
from gpt1.model.language_model import LanguageModel
from gpt1.tasks.metrics import METRICS
from gpt1.tasks.table import Example, Task

CEILINGS = {"cola": 35.0, "sst2": 93.2, "race": 53.3, "story_cloze": 77.6, "dprd": 76.4}
"""The best published before the paper, in its Tables 2 to 4 (RACE: nine models together), and Peng
et al. (2015) for DPRD; the other tasks have none and are measured against 100."""


class Tokenizer(Protocol):
    def encode_batch(self, texts: list[str]) -> list[list[int]]: ...


Encoded = dict[str, list[int]]
"""The ids of every text that a heuristic asks for."""


@dataclass(frozen=True)
class Heuristic:
    texts: Callable[[Example], list[str]]
    """What has to be encoded for an example."""
    questions: Callable[[Example, Encoded], list[Question]]
    """The continuations of all questions together are the example's answers, in order."""
    likelihood: Callable[[np.ndarray], float] = np.mean
    """Of a continuation, from the log-probabilities of its tokens."""


class ZeroShotTask:
    """A task whose texts are encoded once, to be answered by many checkpoints."""

    def __init__(self, task: Task, examples: Sequence[Example], tokenizer: Tokenizer) -> None:
        self.task = task
        self.heuristic = heuristic_of(task)
        self.split, self.examples = read_examples(task, examples)
        texts = sorted({text for e in self.examples for text in self.heuristic.texts(e)})
        encoded = dict(zip(texts, tokenizer.encode_batch(texts), strict=True))
        self.questions = [self.heuristic.questions(e, encoded) for e in self.examples]
        for example, questions in zip(self.examples, self.questions, strict=True):
            if not all(all(question.continuations) for question in questions):
                raise UserError(
                    f"task {task.name}, {example.split} example {example.id}: a text to be scored "
                    "is empty, and has no likelihood; take the row out of its file"
                )

    @property
    def has_threshold(self) -> bool:
        return self.heuristic is ACCEPTABILITY

    @property
    def metric(self) -> str:
        return self.task.metrics[0]

    @property
    def scored(self) -> np.ndarray:
        """bool: the examples whose answers count; the others choose the threshold."""
        return np.array([example.split == self.split for example in self.examples])

    @property
    def targets(self) -> np.ndarray:
        return np.array([example.target for example in self.examples])

    @property
    def chance(self) -> float:
        """What a guess scores, in per cent."""
        if self.metric == "matthews":
            return 0.0
        answers = [
            len(e.choices or self.task.labels) for e in self.examples if e.split == self.split
        ]
        return 100 * float(np.mean(1 / np.array(answers)))

    @property
    def ceiling(self) -> float:
        return CEILINGS.get(self.task.name, 100.0)

    def score(self, model: LanguageModel) -> float:
        """The task's main metric on the scored split, in per cent."""
        asked = [question for questions in self.questions for question in questions]
        found = iter(log_probabilities(model, asked))
        likelihoods = [
            np.array([self.heuristic.likelihood(part) for _ in questions for part in next(found)])
            for questions in self.questions
        ]
        answers = self._answers(likelihoods)
        scored = self.scored
        return 100 * METRICS[self.metric](self.targets[scored], answers[scored])

    def normalised(self, score: float) -> float:
        """0 at chance, 1 at the ceiling."""
        return (score - self.chance) / (self.ceiling - self.chance)

    def describe(self) -> dict[str, Any]:
        """What a score means: scores, chance and ceiling are in per cent."""
        return {
            "task": self.task.name,
            "metric": self.metric,
            "split": self.split,
            "n": int(self.scored.sum()),
            "chance": self.chance,
            "ceiling": self.ceiling,
        }

    def _answers(self, likelihoods: list[np.ndarray]) -> np.ndarray:
        if not self.has_threshold:
            return np.array([float(each.argmax()) for each in likelihoods])
        each = np.concatenate(likelihoods)
        train = ~self.scored
        return (each > best_threshold(each[train], self.targets[train] == 1)).astype(float)


def read_examples(task: Task, examples: Sequence[Example]) -> tuple[str, list[Example]]:
    """The split that is scored, and all examples that are read, with those of a threshold.

    It is the first of test, dev and, where nothing is chosen on it, train that has labels. Raises
    UserError when none has.
    """
    threshold = heuristic_of(task) is ACCEPTABILITY
    labelled = [example for example in examples if example.target is not None]
    for split in ("test", "dev") if threshold else ("test", "dev", "train"):
        if any(example.split == split for example in labelled):
            read = (split, "train") if threshold else (split,)
            return split, [example for example in labelled if example.split in read]
    raise UserError(f"task {task.name}: no split has labels to score against")


def best_threshold(scores: np.ndarray, positive: np.ndarray) -> float:
    """The threshold above which `scores` agree best with `positive`, by Matthews' coefficient.

    It lies half-way between two neighbouring scores, or below all of them; the lowest of equally
    good ones is taken.
    """
    order = np.argsort(scores, kind="stable")
    scores, positive = scores[order].astype(np.float64), positive[order]
    n, p = len(scores), int(positive.sum())
    below = np.arange(n)  # how many scores lie below the threshold: none to all but one
    true_below = np.cumsum(~positive) - ~positive
    above, true_above = n - below, p - (below - true_below)
    product = true_above * true_below - (above - true_above) * (below - true_below)
    with np.errstate(invalid="ignore"):
        matthews = np.nan_to_num(product / np.sqrt(1.0 * p * (n - p) * above * below))
    lower = np.append(scores[0] - 1.0, scores[:-1])
    best = int(np.argmax(np.where(scores > lower, matthews, -np.inf)))
    return float(lower[best] + scores[best]) / 2


def heuristic_of(task: Task) -> Heuristic:
    """The paper's heuristic for `task`. Raises UserError when there is none."""
    if task.name in BY_NAME:
        return BY_NAME[task.name]
    if task.shape == "multiple_choice":
        return ANSWER
    raise UserError(
        f"task {task.name}: the paper has no zero-shot heuristic for it; take it out of "
        f"zero_shot.tasks (known: {', '.join(BY_NAME)}, and every multiple choice)"
    )


BEGINNING, DEGREE, POLES = ".", "very", ("negative", "positive")

ACCEPTABILITY = Heuristic(
    texts=lambda e: [BEGINNING, e.text],
    questions=lambda e, ids: [Question(ids[BEGINNING], [ids[e.text]])],
)


def _sentiment(example: Example, ids: Encoded) -> list[Question]:
    return [Question(ids[example.text] + ids[DEGREE], [ids[pole] for pole in POLES])]


def _referent(example: Example, ids: Encoded) -> list[Question]:
    before, after = ids[example.text], ids[example.text_pair or ""]
    start = before or ids[BEGINNING]
    return [Question(start + ids[choice], [after]) for choice in example.choices or ()]


def _answer(example: Example, ids: Encoded) -> list[Question]:
    prefix = ids[example.text] + ids[example.text_pair or ""]
    return [Question(prefix or ids[BEGINNING], [ids[choice] for choice in example.choices or ()])]


def _all(example: Example) -> list[str]:
    return [BEGINNING, example.text, example.text_pair or "", *(example.choices or ())]


SENTIMENT = Heuristic(
    texts=lambda e: [e.text, DEGREE, *POLES],
    questions=_sentiment,
    likelihood=np.sum,  # of the word, in however many tokens
)
REFERENT = Heuristic(texts=_all, questions=_referent)
ANSWER = Heuristic(texts=_all, questions=_answer)

BY_NAME = {
    "cola": ACCEPTABILITY,
    "sst2": SENTIMENT,
    "dprd": REFERENT,
    "winograd": REFERENT,
}
