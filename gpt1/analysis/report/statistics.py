"""Means and differences over seeds with confidence intervals, power laws, and verdicts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Verdict = Literal["agrees", "disagrees", "inconclusive at this scale"]
NO_DIRECTION = 0.05
"""An expected effect smaller than this has no direction."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % confidence interval (Student's t); a single value has no interval."""

    mean: float
    half_width: float | None
    count: int

    def __format__(self, style: str) -> str:
        """Format both numbers in `style`, such as `.1f`, or `+.1f` for a difference."""
        width = self.half_width
        return f"{self.mean:{style}}" + ("" if width is None else f" ± {width:{style.lstrip('+')}}")


def mean_estimate(values: Sequence[float]) -> Estimate:
    """The mean of `values`, one for each seed."""
    count = len(values)
    if count < 2:
        return Estimate(float(np.mean(values)), None, count)
    error = float(np.std(values, ddof=1)) / math.sqrt(count)
    return Estimate(float(np.mean(values)), float(stats.t.ppf(0.975, count - 1)) * error, count)


def difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Estimate:
    """The mean of `ours - theirs`, seed -> value each, paired by seed."""
    return mean_estimate(
        [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
    )


def power_law(x: Sequence[float], y: Sequence[float]) -> tuple[Estimate, float]:
    """Fit y = a x^b by least squares on logarithms: the exponent b and the factor a.

    The exponent has an interval with three points or more.
    """
    fit = stats.linregress(np.log(x), np.log(y))
    error = float(np.nan_to_num(fit.stderr))  # NaN where y is constant
    width = float(stats.t.ppf(0.975, len(x) - 2)) * error if len(x) > 2 else None
    return Estimate(float(fit.slope), width, len(x)), math.exp(fit.intercept)


def verdict(effect: Estimate, expected: float) -> Verdict:
    """Whether a measured effect has the sign of the `expected` one.

    Only an interval that excludes zero decides. An interval of width 0 does not: seeds that all
    give the same score, such as that of a constant answer, say nothing about chance.
    """
    decides = effect.half_width and abs(effect.mean) > effect.half_width  # False for NaN
    if not decides or abs(expected) < NO_DIRECTION:
        return "inconclusive at this scale"
    return "agrees" if effect.mean * expected > 0 else "disagrees"
