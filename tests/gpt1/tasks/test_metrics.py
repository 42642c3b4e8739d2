import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from gpt1.errors import UserError
from gpt1.tasks import metrics
from gpt1.tasks.predictions import clusters, read_predictions, write_predictions
from gpt1.tasks.table import Example, Task

YES_NO = Task("t", "similarity", ("f1", "accuracy"), ("no", "yes"))


def evaluated(
    tmp_path: Path, task: Task, rows: list[Example], scores: list, majority_answer: float = 0.0
) -> dict:
    path = tmp_path / "p.parquet"
    arrays = [np.array(each, np.float32) for each in scores]
    made_by = {"model": "gpt", "seed": 3, "majority_answer": majority_answer, "sha256": "abc"}
    write_predictions(path, task, rows, arrays, **made_by)
    predictions = read_predictions(path)
    return metrics.evaluate(predictions, metrics.resample(predictions))


def measure(name: str, targets: list[float], answers: list[float]) -> float:
    return metrics.METRICS[name](np.array(targets), np.array(answers))


def test_f1_is_that_of_the_positive_label() -> None:
    # 2 true positives, 1 false positive, 1 false negative: precision 2/3, recall 2/3
    assert measure("f1", [1, 1, 1, 0, 0], [1, 1, 0, 1, 0]) == pytest.approx(2 / 3)


@given(
    st.integers(2, 5).flatmap(
        lambda k: st.lists(st.tuples(*[st.integers(0, k - 1)] * 2), min_size=1)
    )
)
def test_metrics_of_labels_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    targets, answers = map(list, zip(*pairs, strict=True))
    assert measure("accuracy", targets, answers) == sklearn.metrics.accuracy_score(targets, answers)
    macro = sklearn.metrics.f1_score(targets, answers, average="macro", zero_division=0.0)
    assert measure("f1_macro", targets, answers) == pytest.approx(macro)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where one label is all there is
        matthews = sklearn.metrics.matthews_corrcoef(targets, answers)
    assert measure("matthews", targets, answers) == pytest.approx(matthews)
    targets, answers = ([min(each, 1) for each in side] for side in (targets, answers))
    f1 = sklearn.metrics.f1_score(targets, answers, zero_division=0.0)
    assert measure("f1", targets, answers) == pytest.approx(f1)


@pytest.mark.parametrize("name", ["f1", "matthews", "pearson"])
def test_a_resample_is_the_metric_of_examples_drawn_with_replacement(name: str) -> None:
    random = np.random.default_rng(3)
    targets, answers = random.integers(2, size=(2, 50)).astype(float)
    alone, random = np.arange(50), np.random.default_rng(5)
    found = list(metrics.METRICS[name].resampled(targets, answers, alone, random))
    draws, oracle = np.random.default_rng(5), []
    for _ in range(metrics.RESAMPLES):
        rows = draws.integers(50, size=50)
        oracle.append(metrics.METRICS[name](targets[rows], answers[rows]))
    np.testing.assert_allclose(found, oracle, atol=1e-12)


def test_examples_that_share_their_first_text_are_drawn_together() -> None:
    """Ten articles with twenty questions each, all right or all wrong: ten answers in truth."""
    targets = np.ones(200)
    answers, articles = np.repeat([1.0, 0.0] * 5, 20), np.repeat(np.arange(10), 20)
    accuracy = metrics.METRICS["accuracy"]
    spread = [
        np.std([*accuracy.resampled(targets, answers, clusters, np.random.default_rng(1))])
        for clusters in (articles, np.arange(200))
    ]
    assert spread[0] == pytest.approx(math.sqrt(0.25 / 10), rel=0.1)
    assert spread[1] == pytest.approx(math.sqrt(0.25 / 200), rel=0.1)


def test_a_text_of_very_many_examples_is_a_prompt_that_clusters_nothing() -> None:
    rows = [Example("dev", str(n), "a" if n < 3 else "prompt", target=0.0) for n in range(60)]
    assert clusters(rows) == [0, 0, 0, *range(1, 58)]
    assert clusters([Example(split, "0", "a", target=0.0) for split in ("dev", "test")]) == [0, 1]


def test_matthews_is_the_correlation_of_two_yes_or_no_columns() -> None:
    targets, answers = [1, 1, 1, 0, 0, 0, 1, 0], [1, 0, 1, 0, 0, 1, 1, 0]
    by_hand = np.corrcoef(targets, answers)[0, 1]
    assert measure("matthews", targets, answers) == pytest.approx(by_hand)


def test_pearson_is_linear_and_spearman_goes_by_rank() -> None:
    targets = [1.0, 2.0, 3.0, 4.0]
    assert measure("spearman", targets, [math.exp(t) for t in targets]) == pytest.approx(1)
    assert measure("pearson", targets, [3 * t + 1 for t in targets]) == pytest.approx(1)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_a_constant_answer_correlates_with_nothing(name: str) -> None:
    assert measure(name, [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]) == 0


def test_each_split_with_targets_is_scored_and_test_rows_without_are_not(tmp_path: Path) -> None:
    rows = [
        Example("dev", "0", "a", "b", target=1.0),
        Example("dev", "1", "a", "b", target=0.0),
        Example("test", "0", "a", "b"),
    ]
    found = evaluated(tmp_path, YES_NO, rows, [[0.2, 0.8], [0.4, 0.6], [0.5, 0.5]])
    assert (found["task"], found["model"], found["seed"], found["metric"]) == ("t", "gpt", 3, "f1")
    assert list(found["splits"]) == ["dev"]
    dev = found["splits"]["dev"]
    assert dev["n"] == 2
    assert dev["accuracy"] == 0.5
    assert dev["f1"] == pytest.approx(2 / 3)


def test_the_baseline_gives_the_majority_answer_of_the_training_examples(tmp_path: Path) -> None:
    task = Task("t", "classification", ("accuracy",), ("a", "b"))
    rows = [Example("dev", str(n), "x", target=float(n == 0)) for n in range(4)]
    found = evaluated(tmp_path, task, rows, [[0.1, 0.9]] * 4, majority_answer=0.0)
    assert found["baseline"]["dev"] == 0.75
    assert found["splits"]["dev"]["accuracy"] == 0.25


def test_the_baseline_of_multiple_choice_is_a_guess(tmp_path: Path) -> None:
    task = Task("t", "multiple_choice", ("accuracy",))
    rows = [
        Example("dev", "0", "x", None, ("a", "b"), 1.0),
        Example("dev", "1", "x", None, ("a", "b", "c", "d"), 3.0),
    ]
    found = evaluated(tmp_path, task, rows, [[0.4, 0.6], [0.1, 0.1, 0.1, 0.7]])
    assert found["baseline"]["dev"] == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert found["splits"]["dev"]["accuracy"] == 1


def test_groups_are_scored_apart_too(tmp_path: Path) -> None:
    task = Task("race", "multiple_choice", ("accuracy",))
    rows = [
        Example("test", str(n), "x", None, ("a", "b"), 1.0, group)
        for n, group in enumerate(["middle", "middle", "high"])
    ]
    found = evaluated(tmp_path, task, rows, [[0.4, 0.6], [0.6, 0.4], [0.4, 0.6]])
    test = found["splits"]["test"]
    assert (test["accuracy_middle"], test["accuracy_high"]) == (0.5, 1.0)


def test_a_score_is_read_as_the_answer_of_a_regression(tmp_path: Path) -> None:
    task = Task("sts_b", "regression", ("pearson",))
    rows = [Example("dev", str(n), "a", "b", target=float(n)) for n in range(5)]
    found = evaluated(tmp_path, task, rows, [[-2.0 * n] for n in range(5)], majority_answer=2.0)
    assert found["splits"]["dev"]["pearson"] == pytest.approx(-1)
    assert found["baseline"]["dev"] == 0


def test_the_interval_of_a_proportion_is_near_its_normal_approximation(tmp_path: Path) -> None:
    task = Task("t", "classification", ("accuracy",), ("a", "b"))
    rows = [Example("dev", str(n), "x", target=float(n % 4 == 0)) for n in range(400)]
    low, high = evaluated(tmp_path, task, rows, [[0.9, 0.1]] * 400)["splits"]["dev"]["interval"]
    half = 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == (
        pytest.approx(0.75 - half, abs=0.01),
        pytest.approx(0.75 + half, abs=0.01),
    )


def test_a_file_that_holds_no_predictions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.parquet").write_text("")
    with pytest.raises(UserError, match=r"p\.parquet: not a readable"):
        read_predictions(tmp_path / "p.parquet")
