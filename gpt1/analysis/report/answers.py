"""The paper's questions, and what was measured about each."""

from collections.abc import Sequence
from dataclasses import dataclass

from gpt1.analysis.report.statistics import Estimate, verdict
from gpt1.document import Table


@dataclass(frozen=True)
class Answer:
    question: str
    effect: Estimate
    what: str
    """What the effect is, its unit, and what its interval is over."""
    expected: float
    """The paper's effect, or +1 or -1 where it gives a direction alone."""
    style: str = "+.1f"


def table(answers: Sequence[Answer]) -> Table:
    return Table(
        caption=(
            "What was measured for each question, with its 95 % interval, and whether that agrees "
            "with the paper. Only an interval that leaves zero out decides."
        ),
        columns=["question", "effect", "verdict", "the paper", "measured as"],
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
    if abs(answer.expected) == 1:
        return "above 0" if answer.expected > 0 else "below 0"
    return f"{answer.expected:+.1f}"
