"""The learning rates of the paper, at the updates where a mistake would show."""

from math import pi

import pytest

from gpt1.training.schedule import cosine, linear

PEAK, WARMUP, UPDATES = 2.5e-4, 2000, 100_000


@pytest.mark.parametrize(
    ("update", "rate"),
    [
        (0, PEAK / 2000),
        (1999, PEAK),
        (2000, PEAK),
        (51_000, PEAK / 2),
        (99_999, PEAK * (pi / 98_000) ** 2 / 4),
    ],
)
def test_pretraining_warms_up_linearly_and_follows_a_cosine_to_nothing(
    update: int, rate: float
) -> None:
    found = cosine(update, peak=PEAK, warmup=WARMUP, updates=UPDATES)
    assert found == pytest.approx(rate, rel=1e-2 if update == 99_999 else 1e-12)


@pytest.mark.parametrize(("update", "rate"), [(0, 0.5), (1, 1.0), (2, 1.0), (6, 0.5), (9, 0.125)])
def test_fine_tuning_warms_up_linearly_and_falls_on_a_line_to_nothing(
    update: int, rate: float
) -> None:
    assert linear(update, peak=1.0, warmup=2, updates=10) == pytest.approx(rate)
