"""A task that checkpoints of a language model answer without fine-tuning."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gpt1.analysis.zero_shot.heuristics import FULL_STOP, Prompt, heuristic_for
from gpt1.analysis.zero_shot.scoring import Question, log_probabilities
from gpt1.errors import UserError
from gpt1.model.language_model import LanguageModel
from gpt1.tasks.metrics import METRICS
from gpt1.tasks.table import Example, Task
from gpt1.tokens.tokenizer import Tokenizer

CEILINGS = {
    "cola": 35.0,
    "sst2": 93.2,
    "race": 53.3,
    "story_cloze": 77.6,
    "dprd": 76.4,
    "blimp": 88.6,
}
"""The best published before the paper, in its Tables 2 to 4 (RACE: nine models together), and Peng
et al. (2015) for DPRD; people for BLiMP. The other tasks are measured against 100."""


class ZeroShotTask:
    """The prompts of a task, tokenized once and scored by many checkpoints."""

    def __init__(self, task: Task, examples: Sequence[Example], tokenizer: Tokenizer) -> None:
        self.task = task
        self.heuristic = heuristic_for(task.name, task.shape)
        self.split, self.examples = select_examples(task, examples)
        prompts = [
            [_joined(prompt, tokenizer.continuing) for prompt in self.heuristic.prompts(example)]
            for example in self.examples
        ]
        texts = sorted({FULL_STOP, *(text for each in prompts for p in each for text in p.texts)})
        ids = dict(zip(texts, tokenizer.encode_batch(texts), strict=True))
        self.questions = [[_question(prompt, ids) for prompt in each] for each in prompts]
        for example, questions in zip(self.examples, self.questions, strict=True):
            if not all(all(question.continuations) for question in questions):
                raise UserError(
                    f"task {task.name}, {example.split} example {example.id}: a text to be scored "
                    "is empty, so it has no likelihood; remove the row from its file"
                )

    @property
    def metric(self) -> str:
        return self.task.metrics[0]

    @property
    def scored(self) -> np.ndarray:
        """bool (examples,): those that are scored; the threshold is chosen on the others."""
        return np.array([example.split == self.split for example in self.examples])

    @property
    def targets(self) -> np.ndarray:
        """float64 (examples,)."""
        return np.array([example.target for example in self.examples])

    @property
    def chance(self) -> float:
        """The score of a guess, in per cent."""
        if (chance := METRICS[self.metric].chance) is not None:
            return 100 * chance
        answers = [
            len(e.choices or self.task.labels) for e in self.examples if e.split == self.split
        ]
        return 100 * float(np.mean(1 / np.array(answers)))

    @property
    def ceiling(self) -> float:
        return CEILINGS.get(self.task.name, 100.0)

    def score(self, model: LanguageModel) -> dict[str, float]:
        """The task's main metric on the scored split, in per cent: `score`, and `score_GROUP`.

        Where answers are equally likely, accuracy counts their share: half of a pair.
        """
        asked = [question for questions in self.questions for question in questions]
        answered = iter(log_probabilities(model, asked))
        likelihoods = [
            np.array(
                [self.heuristic.likelihood(each) for _ in questions for each in next(answered)]
            )
            for questions in self.questions
        ]
        scored, groups = self.scored, np.array([example.group or "" for example in self.examples])
        parts = {"score": scored}
        parts |= {
            f"score_{name}": scored & (groups == name) for name in sorted({*groups[scored]} - {""})
        }
        if self.heuristic.needs_threshold or self.metric != "accuracy":
            answers, metric = self._answers(likelihoods), METRICS[self.metric]
            return {
                name: 100 * metric(self.targets[rows], answers[rows])
                for name, rows in parts.items()
            }
        shares = np.array(
            [
                (each[int(target)] == each.max()) / np.count_nonzero(each == each.max())
                for each, target in zip(likelihoods, self.targets, strict=True)
            ]
        )
        return {name: 100 * float(shares[rows].mean()) for name, rows in parts.items()}

    def normalised(self, score: float) -> float:
        """0 at chance, 1 at the ceiling."""
        return (score - self.chance) / (self.ceiling - self.chance)

    def describe(self) -> dict[str, Any]:
        """What a score is of; chance and ceiling are in per cent."""
        return {
            "task": self.task.name,
            "metric": self.metric,
            "split": self.split,
            "n": int(self.scored.sum()),
            "chance": self.chance,
            "ceiling": self.ceiling,
        }

    def _answers(self, likelihoods: list[np.ndarray]) -> np.ndarray:
        """float64 (examples,), from the likelihoods (answers,) of each example."""
        if not self.heuristic.needs_threshold:
            return np.array([float(each.argmax()) for each in likelihoods])
        each = np.concatenate(likelihoods)
        train = ~self.scored
        return (each > best_threshold(each[train], self.targets[train] == 1)).astype(float)


def _joined(prompt: Prompt, continuing: Callable[[str], str]) -> Prompt:
    """The prompt with each text but the first as it stands after the one before."""
    first, *others = prompt.context
    return replace(
        prompt,
        context=(first, *map(continuing, others)),
        candidate=tuple(map(continuing, prompt.candidate)),
        continuations=tuple(map(continuing, prompt.continuations)),
    )


def _question(prompt: Prompt, ids: dict[str, list[int]]) -> Question:
    context = [id_ for text in prompt.context for id_ in ids[text]] or ids[FULL_STOP]
    candidate = [id_ for text in prompt.candidate for id_ in ids[text]]
    return Question(context + candidate, [ids[text] for text in prompt.continuations])


def select_examples(task: Task, examples: Sequence[Example]) -> tuple[str, list[Example]]:
    """The split to score, and its labelled examples with those that a threshold is chosen on.

    The split is the first with labels of test, dev and, unless a threshold is chosen on it, train.
    Raises UserError when none has.
    """
    threshold = heuristic_for(task.name, task.shape).needs_threshold
    labelled = [example for example in examples if example.target is not None]
    for split in ("test", "dev") if threshold else ("test", "dev", "train"):
        if any(example.split == split for example in labelled):
            selected = (split, "train") if threshold else (split,)
            return split, [example for example in labelled if example.split in selected]
    raise UserError(f"task {task.name}: no split has labels to score against")


def best_threshold(scores: np.ndarray, positive: np.ndarray) -> float:
    """The threshold that maximizes Matthews' coefficient of `scores > threshold` and `positive`.

    It is half-way between two neighbouring scores, or below all of them; of equally good ones it is
    the lowest. One sort and cumulative sums: O(n log n).
    """
    order = np.argsort(scores, kind="stable")
    scores, positive = scores[order].astype(np.float64), positive[order]
    n, p = len(scores), int(positive.sum())
    below = np.arange(n)  # how many scores are below the threshold: none to all but one
    true_below = np.cumsum(~positive) - ~positive
    above, true_above = n - below, p - (below - true_below)
    product = true_above * true_below - (above - true_above) * (below - true_below)
    with np.errstate(invalid="ignore"):
        matthews = np.nan_to_num(product / np.sqrt(1.0 * p * (n - p) * above * below))
    lower = np.append(scores[0] - 1.0, scores[:-1])
    best = int(np.argmax(np.where(scores > lower, matthews, -np.inf)))
    return float(lower[best] + scores[best]) / 2
