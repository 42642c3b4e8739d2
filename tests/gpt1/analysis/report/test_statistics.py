import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gpt1.analysis.report.statistics import (
    Estimate,
    mean_estimate,
    power_law,
    significant,
    verdict,
)

SCORES = st.lists(st.floats(-100, 100), min_size=2, max_size=8)


@given(SCORES)
def test_the_interval_is_the_one_of_a_one_sample_t_test(values):
    found = mean_estimate(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.mean == pytest.approx((low + high) / 2, abs=1e-6)
    assert found.half_width == pytest.approx((high - low) / 2, abs=1e-6)
    if found.p is not None:
        assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=1e-6)


def test_one_seed_has_no_interval():
    assert mean_estimate([71.25]) == Estimate(71.25, None, 1)
    assert f"{mean_estimate([71.25]):.1f}" == "71.2"


NOTHING, CLEAR = Estimate(0.2, 6.0, 3, 0.9), Estimate(5.0, 2.0, 3, 0.001)


@pytest.mark.parametrize(
    ("effect", "expected", "differs", "said"),
    [
        (CLEAR, 14.8, True, "agrees"),
        (CLEAR, -14.8, True, "disagrees"),
        (CLEAR, math.inf, True, "agrees"),
        (CLEAR, -math.inf, True, "disagrees"),
        (CLEAR, 14.8, False, "no difference of that size"),  # 7 at most
        (CLEAR, 6.0, False, "undecided"),
        (NOTHING, 14.8, False, "no difference of that size"),
        (NOTHING, 5.6, False, "undecided"),
        (NOTHING, math.inf, False, "undecided"),
        (Estimate(5.0, None, 1), 14.8, False, "undecided"),
        (Estimate(5.0, 0.0, 3), 14.8, False, "undecided"),  # no seed differs
        (Estimate(math.nan, math.nan, 2), 14.8, False, "undecided"),
        (CLEAR, -0.3, True, "no claim"),
        (NOTHING, 0.9, False, "no claim"),
    ],
)
def test_the_rule_of_verdicts(effect, expected, differs, said):
    assert verdict(effect, expected, noise=1.0, differs=differs) == said


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=6))
def test_holm_s_correction_by_its_definition(values):
    """A hypothesis falls when each one with a p-value at most as large falls, the n-th at 5 %/n."""
    found = significant([Estimate(1.0, 1.0, 3, p) for p in values])
    asked = sorted(p for p in values if p is not None)
    falls = 0
    while falls < len(asked) and asked[falls] <= 0.05 / (len(asked) - falls):
        falls += 1
    assert sum(found) == falls
    assert all(p in asked[:falls] for p, one in zip(values, found, strict=True) if one)


def decides(estimate):
    return estimate.p is not None and estimate.p < 0.05


def two_models(random, seeds, examples=400, difference=0.0):
    """Scores of both models by seed, and over 100 resamples: of like strength, but each with weak
    and strong sides that its seeds share."""
    hard = random.normal(-0.5, 1, examples)
    shift = np.array([difference, 0.0])
    sides = random.normal(0, 1, (2, examples)) + hard + shift[:, None]
    right = 100.0 * (sides[:, None] + random.normal(0, 1, (2, seeds, examples)) < 0)
    drawn = random.multinomial(examples, [1 / examples] * examples, 100)
    return right.mean(-1), right @ drawn.T / examples


def differences(random, trials, seeds, **options):
    """Of `trials` pairs of models: by seeds and examples, and by seeds alone."""
    for _ in range(trials):
        scores, samples = two_models(random, seeds, **options)
        by_seed = scores[0] - scores[1]
        yield mean_estimate(by_seed, (samples[0] - samples[1]).mean(0)), mean_estimate(by_seed)


@pytest.mark.parametrize("seeds", [3, 10])
def test_models_of_like_strength_get_a_verdict_in_at_most_five_per_cent_of_trials(seeds):
    """Over seeds alone it is several times that: all seeds share the examples."""
    found = [*differences(np.random.default_rng(seeds), 400, seeds)]
    both, alone = (np.mean([decides(e) for e in each]) for each in zip(*found, strict=True))
    assert both < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)
    assert alone > 0.1


def test_ten_questions_without_an_answer_get_a_verdict_in_at_most_five_per_cent_of_reports():
    random = np.random.default_rng(0)
    reports = [[e for e, _ in differences(random, 10, 5, examples=200)] for _ in range(100)]
    assert np.mean([any(significant(report)) for report in reports]) < 0.05 + 2 * 0.022


def test_a_difference_of_four_to_five_points_is_seen_in_four_of_five_trials_with_five_seeds():
    """That is what docs/analyses.md promises for 872 examples, SST-2's."""
    random = np.random.default_rng(0)
    found = [*differences(random, 200, 5, examples=872, difference=-0.2)]
    assert 4 < np.mean([e.mean for e, _ in found]) < 5
    assert np.mean([decides(e) for e, _ in found]) > 0.75


@given(st.floats(-1, 1), st.floats(0.5, 5))
def test_a_power_law_is_found_again(exponent, factor):
    x = [1.0, 2.0, 4.0, 8.0]
    found, a = power_law(x, [factor * value**exponent for value in x])
    assert (found.mean, a) == (pytest.approx(exponent, abs=1e-9), pytest.approx(factor))
    assert found.half_width == pytest.approx(0, abs=1e-6)
    noisy = [1.0, 0.8, 0.7, 0.5]
    (slope, _), covariance = np.polyfit(np.log(x), np.log(noisy), 1, cov=True)
    width = stats.t.ppf(0.975, 2) * math.sqrt(covariance[0, 0])
    fit = power_law(x, noisy)[0]
    assert (fit.mean, fit.half_width) == (pytest.approx(slope), pytest.approx(width))
    t = abs(slope) / math.sqrt(covariance[0, 0])
    assert fit.p == pytest.approx(2 * stats.t.sf(t, 2))
    two, _ = power_law(x[:2], [factor, factor * 2**exponent])
    assert (two.mean, two.half_width) == (pytest.approx(exponent, abs=1e-9), None)
