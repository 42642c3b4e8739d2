"""The table of questions, each with its measured effect and a verdict."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gpt1.analysis.report.statistics import DIRECTION, Estimate, significant, verdict
from gpt1.document import Table


@dataclass(frozen=True)
class Answer:
    question: str
    effect: Estimate
    what: str
    """The effect in words, with its unit and what its interval is over."""
    expected: float
    """The claimed effect; `DIRECTION` or minus that where only a direction is claimed."""
    source: str = "the paper"
    """Who claims it, and over what."""
    style: str = "+.1f"
    noise: float = 0.0
    """The largest difference that chance alone gives where the claim comes from."""
    models: Collection[str] = ()
    """Pretrained models that the answer is about."""


def table(answers: Sequence[Answer], weak: Collection[str]) -> Table:
    """`weak`: models that do not beat a trigram model; of them no verdict is given."""
    differ = significant([answer.effect for answer in answers])
    asked = sum(answer.effect.p is not None for answer in answers)
    return Table(
        caption=(
            "What was measured for each question, with its 95 % interval, and what that says of "
            "the claim; docs/analyses.md has the rule. An interval is over what the last column "
            "counts, and over examples where scores are compared: the chance in what all of them "
            "share, such as one pretrained model or one shuffled corpus, is not in it. Verdicts "
            f"of a direction allow for the number of questions with an interval ({asked}), the "
            "intervals do not: one may leave out zero and decide nothing. One seed has no interval."
        ),
        columns=["question", "effect", "verdict", "expected", "measured as"],
        rows=[
            [
                a.question,
                f"{a.effect:{a.style}}",
                "none: " + ", ".join(flagged) + " no better than trigrams"
                if (flagged := [model for model in a.models if model in weak])
                else verdict(a.effect, a.expected, a.noise, differs),
                _expected(a),
                a.what,
            ]
            for a, differs in zip(answers, differ, strict=True)
        ],
    )


def _expected(answer: Answer) -> str:
    if abs(answer.expected) == DIRECTION:
        return f"{'above' if answer.expected > 0 else 'below'} 0 ({answer.source})"
    noise = f", within its noise of {answer.noise:.1f}"
    within = noise if abs(answer.expected) <= answer.noise else ""
    return f"{answer.expected:+.1f} ({answer.source}{within})"
