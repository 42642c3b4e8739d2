"""The paper's heuristics: how a language model answers an example without fine-tuning.

A text without any context is scored as if it followed a full stop, because the network has learned
no token for a beginning.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gpt1.errors import UserError
from gpt1.tasks.table import Example

FULL_STOP, SENTIMENT_SUFFIX, SENTIMENT_WORDS = ".", "very", ("negative", "positive")


@dataclass(frozen=True)
class Prompt:
    """Continuations to be scored, each after the texts of `context` and of `candidate`."""

    context: tuple[str, ...]
    """Replaced by a full stop where it has no tokens."""
    continuations: tuple[str, ...]
    candidate: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        return self.context + self.candidate + self.continuations


@dataclass(frozen=True)
class Heuristic:
    prompts: Callable[[Example], list[Prompt]]
    """The continuations of all prompts, in order, are the possible answers of the example."""
    likelihood: Callable[[np.ndarray], float] = np.mean
    """Of a continuation, from the log-probabilities of its tokens."""
    needs_threshold: bool = False
    """The answer is yes where the likelihood of the one continuation is above a threshold, which is
    chosen on the training split and never on what is scored."""


def _acceptability(example: Example) -> list[Prompt]:
    return [Prompt((FULL_STOP,), (example.text,))]


def _sentiment(example: Example) -> list[Prompt]:
    return [Prompt((example.text, SENTIMENT_SUFFIX), SENTIMENT_WORDS)]


def _referent(example: Example) -> list[Prompt]:
    after = (example.text_pair or "",)
    return [Prompt((example.text,), after, (choice,)) for choice in example.choices or ()]


def _choice(example: Example) -> list[Prompt]:
    return [Prompt((example.text, example.text_pair or ""), example.choices or ())]


def _pair(example: Example) -> list[Prompt]:
    return [Prompt((example.text,), example.choices or ())]


CHOICE = Heuristic(_choice)
"""Of every multiple-choice task without an entry in `HEURISTICS`."""
HEURISTICS = {
    "cola": Heuristic(_acceptability, needs_threshold=True),
    "sst2": Heuristic(_sentiment, likelihood=np.sum),  # of the word, however many tokens it has
    "dprd": Heuristic(_referent),
    "winograd": Heuristic(_referent),
    "blimp": Heuristic(_pair, likelihood=np.sum),  # of the whole sentence, as its authors do
    "blimp_supplement": Heuristic(_pair, likelihood=np.sum),
}
"""By task name."""


def heuristic_for(name: str, shape: str) -> Heuristic:
    """The heuristic of a task by its name and shape. Raises UserError for one without."""
    if name in HEURISTICS:
        return HEURISTICS[name]
    if shape == "multiple_choice":
        return CHOICE
    raise UserError(
        f"params.yaml: zero_shot.tasks names {name}, for which the paper has no heuristic; there "
        f"are some for {', '.join(HEURISTICS)}, and every multiple choice"
    )
