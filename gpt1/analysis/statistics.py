"""Means, differences, and how far the seeds leave them open."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Verdict = Literal["agrees", "disagrees", "inconclusive at this scale"]


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval by Student's t; one seed alone has no interval."""

    mean: float
    half_width: float | None
    seeds: int

    def __str__(self) -> str:
        spread = "" if self.half_width is None else f" ± {self.half_width:.1f}"
        return f"{self.mean:.1f}{spread}"


def estimate(values: Sequence[float]) -> Estimate:
    """The mean over seeds of `values`."""
    count = len(values)
    if count < 2:
        return Estimate(float(np.mean(values)), None, count)
    error = float(np.std(values, ddof=1)) / math.sqrt(count)
    return Estimate(float(np.mean(values)), float(stats.t.ppf(0.975, count - 1)) * error, count)


def difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Estimate:
    """The mean of `ours - theirs`, both keyed by seed and paired by it."""
    return estimate([ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())])


def verdict(effect: Estimate, expected: float) -> Verdict:
    """Does a measured effect have the sign of the `expected` one?

    Only an interval that leaves zero out decides.
    """
    if effect.half_width is None or abs(effect.mean) <= effect.half_width:
        return "inconclusive at this scale"
    return "agrees" if effect.mean * expected > 0 else "disagrees"
