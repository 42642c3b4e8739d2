import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gpt1.analysis.report.statistics import Estimate, difference, mean_estimate, power_law, verdict

SCORES = st.lists(st.floats(-100, 100), min_size=2, max_size=8)


@given(SCORES)
def test_the_interval_is_the_one_of_a_one_sample_t_test(values):
    found = mean_estimate(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.mean == pytest.approx((low + high) / 2, abs=1e-6)
    assert found.half_width == pytest.approx((high - low) / 2, abs=1e-6)


def test_one_seed_has_no_interval():
    assert mean_estimate([71.25]) == Estimate(71.25, None, 1)
    assert f"{mean_estimate([71.25]):.1f}" == "71.2"


def test_a_difference_is_paired_by_seed():
    ours, theirs = {1: 60.0, 2: 70.0, 3: 50.0}, {3: 49.0, 2: 69.0, 1: 59.0, 4: 0.0}
    found = difference(ours, theirs)
    assert (found.mean, found.half_width, found.count) == (1.0, 0.0, 3)


@pytest.mark.parametrize(
    ("effect", "expected", "said"),
    [
        (Estimate(5.0, 2.0, 3), 14.8, "agrees"),
        (Estimate(-5.0, 2.0, 3), 14.8, "disagrees"),
        (Estimate(-5.0, 2.0, 3), -0.3, "agrees"),
        (Estimate(5.0, 6.0, 3), 14.8, "inconclusive at this scale"),
        (Estimate(5.0, None, 1), 14.8, "inconclusive at this scale"),
        (Estimate(0.0, math.inf, 2), 14.8, "inconclusive at this scale"),
        (Estimate(5.0, 0.0, 3), 14.8, "inconclusive at this scale"),  # no seed differs
        (Estimate(math.nan, math.nan, 2), 14.8, "inconclusive at this scale"),
        (Estimate(5.0, 2.0, 3), 0.01, "inconclusive at this scale"),
    ],
)
def test_only_an_interval_that_leaves_zero_out_decides(effect, expected, said):
    assert verdict(effect, expected) == said


@given(st.floats(-1, 1), st.floats(0.5, 5))
def test_a_power_law_is_found_again(exponent, factor):
    x = [1.0, 2.0, 4.0, 8.0]
    found, a = power_law(x, [factor * value**exponent for value in x])
    assert (found.mean, a) == (pytest.approx(exponent, abs=1e-9), pytest.approx(factor))
    assert found.half_width == pytest.approx(0, abs=1e-6)
    noisy = [1.0, 0.8, 0.7, 0.5]
    (slope, _), covariance = np.polyfit(np.log(x), np.log(noisy), 1, cov=True)
    width = stats.t.ppf(0.975, 2) * math.sqrt(covariance[0, 0])
    assert power_law(x, noisy)[0] == Estimate(pytest.approx(slope), pytest.approx(width), 4)
    two, _ = power_law(x[:2], [factor, factor * 2**exponent])
    assert (two.mean, two.half_width) == (pytest.approx(exponent, abs=1e-9), None)
