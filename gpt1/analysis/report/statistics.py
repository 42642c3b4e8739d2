"""Means, differences, and how far the seeds leave them open."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Verdict = Literal["agrees", "disagrees", "inconclusive at this scale"]
NO_DIRECTION = 0.05
"""An expected effect below that is none, whatever its sign."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval by Student's t; one value alone has no interval."""

    mean: float
    half_width: float | None
    count: int

    def __format__(self, style: str) -> str:
        """Both numbers in `style`, such as `.1f`, or `+.1f` for a difference."""
        width = self.half_width
        return f"{self.mean:{style}}" + ("" if width is None else f" ± {width:{style.lstrip('+')}}")


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of `values`, of one for each seed."""
    count = len(values)
    if count < 2:
        return Estimate(float(np.mean(values)), None, count)
    error = float(np.std(values, ddof=1)) / math.sqrt(count)
    return Estimate(float(np.mean(values)), float(stats.t.ppf(0.975, count - 1)) * error, count)


def difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Estimate:
    """The mean of `ours - theirs`, both keyed by seed and paired by it."""
    return estimate([ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())])


def power_law(x: Sequence[float], y: Sequence[float]) -> tuple[Estimate, float]:
    """The exponent b and the factor a of the fit y = a x^b, by least squares between logarithms.

    Three points or more give the exponent an interval.
    """
    fit = stats.linregress(np.log(x), np.log(y))
    error = float(np.nan_to_num(fit.stderr))  # nan where y never changes
    width = float(stats.t.ppf(0.975, len(x) - 2)) * error if len(x) > 2 else None
    return Estimate(float(fit.slope), width, len(x)), math.exp(fit.intercept)


def verdict(effect: Estimate, expected: float) -> Verdict:
    """Does a measured effect have the sign of the `expected` one?

    Only an interval that leaves zero out decides. Seeds that all gave the same tell nothing of
    chance, as when every one of them always answers yes.
    """
    decides = effect.half_width and abs(effect.mean) > effect.half_width  # nan decides nothing
    if not decides or abs(expected) < NO_DIRECTION:
        return "inconclusive at this scale"
    return "agrees" if effect.mean * expected > 0 else "disagrees"
