"""The table of questions, each with its measured effect and a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

from gpt1.analysis.report.statistics import Estimate, verdict
from gpt1.document import Table


@dataclass(frozen=True)
class Answer:
    question: str
    effect: Estimate
    what: str
    """The effect in words, with its unit and what its interval is over."""
    expected: float
    """The claimed effect; +1 or -1 where only a direction is claimed."""
    source: str = "the paper"
    """Who claims it, and over what."""
    style: str = "+.1f"


def table(answers: Sequence[Answer]) -> Table:
    return Table(
        caption=(
            "What was measured for each question, with its 95 % interval, and whether its "
            "direction agrees with the claim. Only an interval that leaves zero out decides. It is "
            "over what the last column counts: the chance in what all of them share, such as one "
            "pretrained model, one shuffled corpus and the examples scored, is not in it."
        ),
        columns=["question", "effect", "verdict", "expected", "measured as"],
        rows=[
            [
                a.question,
                f"{a.effect:{a.style}}",
                verdict(a.effect, a.expected),
                _expected(a),
                a.what,
            ]
            for a in answers
        ],
    )


def _expected(answer: Answer) -> str:
    direction = "above 0" if answer.expected > 0 else "below 0"
    value = direction if abs(answer.expected) == 1 else f"{answer.expected:+.1f}"
    return f"{value} ({answer.source})"
