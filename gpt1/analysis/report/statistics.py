"""Means and differences over seeds with confidence intervals, power laws, and verdicts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Verdict = Literal["agrees", "disagrees", "no difference of that size", "undecided", "no claim"]
DIRECTION = math.inf
"""An expected effect of which only the sign is claimed: plus or minus this."""
LEVEL = 0.05
"""Of all questions of a report together: the chance of any verdict where there is no effect."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % confidence interval (Student's t); a single value has no interval."""

    mean: float
    half_width: float | None
    count: int
    p: float | None = None
    """Two-sided, of a mean of zero; None without an interval, or with one of width 0."""

    def __format__(self, style: str) -> str:
        """Format both numbers in `style`, such as `.1f`, or `+.1f` for a difference."""
        width = self.half_width
        return f"{self.mean:{style}}" + ("" if width is None else f" ± {width:{style.lstrip('+')}}")


def mean_estimate(values: Sequence[float], examples: Sequence[float] | np.ndarray = ()) -> Estimate:
    """The mean of `values`, one for each seed.

    examples: the same mean over resampled examples, if they are a sample too. Seeds share their
    examples, so that the variances of both add up; the degrees of freedom are those of Welch and
    Satterthwaite. What a seed makes of an example is in both: the interval is a little too wide.
    """
    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return Estimate(mean, None, count)
    of_seeds = float(np.var(values, ddof=1)) / count
    variance = of_seeds + (float(np.var(examples)) if len(examples) else 0.0)
    if not of_seeds > 0:  # seeds that all give the same say nothing about chance; NaN neither
        return Estimate(mean, 0.0, count)
    freedom = (count - 1) * (variance / of_seeds) ** 2
    error = math.sqrt(variance)
    p = 2 * float(stats.t.sf(abs(mean) / error, freedom))
    return Estimate(mean, float(stats.t.ppf(0.975, freedom)) * error, count, p)


def power_law(x: Sequence[float], y: Sequence[float]) -> tuple[Estimate, float]:
    """Fit y = a x^b by least squares on logarithms: the exponent b and the factor a.

    The exponent has an interval with three points or more.
    """
    fit = stats.linregress(np.log(x), np.log(y))
    error = float(np.nan_to_num(fit.stderr))  # NaN where y is constant
    width = float(stats.t.ppf(0.975, len(x) - 2)) * error if len(x) > 2 else None
    p = float(fit.pvalue) if width else None
    return Estimate(float(fit.slope), width, len(x), p), math.exp(fit.intercept)


def significant(estimates: Sequence[Estimate]) -> list[bool]:
    """Which means differ from zero, by Holm's correction for the number of questions asked.

    The chance that any of them is wrongly said to differ is at most `LEVEL`. A question without an
    interval is none.
    """
    asked = sorted((e.p, place) for place, e in enumerate(estimates) if e.p is not None)
    found = [False] * len(estimates)
    for rank, (p, place) in enumerate(asked):
        if not p * (len(asked) - rank) <= LEVEL:
            break
        found[place] = True
    return found


def verdict(effect: Estimate, expected: float, noise: float, differs: bool) -> Verdict:
    """What a measured effect says of the `expected` one.

    noise: the largest difference that chance alone gives where the claim comes from; an expected
    effect within it is no claim of a direction.
    differs: whether the effect differs from zero (`significant`).
    """
    if abs(expected) <= noise:
        return "no claim"
    if differs:
        return "agrees" if effect.mean * expected > 0 else "disagrees"
    if effect.half_width and abs(expected) != DIRECTION:
        largest = abs(effect.mean) + effect.half_width
        return "no difference of that size" if largest < abs(expected) else "undecided"
    return "undecided"
