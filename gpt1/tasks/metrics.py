"""Scores, from predictions alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn import metrics

from gpt1.tasks.predictions import Predictions
from gpt1.tasks.table import Task

RESAMPLES = 1000
Measure = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Metric:
    """A measure of agreement, called as `metric(targets, answers)` with float64 arrays (examples,).

    It is at most 1, and higher is better: scores are shown in per cent. Targets and answers are
    indices of labels or choices, or the scores of a regression.
    """

    measure: Measure
    of_scores: bool = False
    """For regressions; the other metrics are for labels."""
    two_labels: bool = False
    """Valid only where the task has exactly two labels."""
    chance: float | None = None
    """What a guess scores; None: one over the number of answers."""

    def __call__(self, targets: np.ndarray, answers: np.ndarray) -> float:
        return float(self.measure(targets, answers))

    def is_valid_for(self, task: Task) -> bool:
        if self.of_scores != (task.shape == "regression"):
            return False
        return not self.two_labels or (task.shape != "multiple_choice" and len(task.labels) == 2)


def _correlation(measure: Callable) -> Measure:
    """`measure` of scipy.stats; 0 where one side is constant, whose correlation is undefined."""

    def correlation(targets: np.ndarray, answers: np.ndarray) -> float:
        if np.ptp(targets) == 0 or np.ptp(answers) == 0:
            return 0.0
        return measure(targets, answers).statistic

    return correlation


METRICS: dict[str, Metric] = {
    # Not scikit-learn's: it checks its arguments for 1 ms, and the bootstrap calls it 1,000 times.
    "accuracy": Metric(lambda targets, answers: float(np.mean(targets == answers))),
    # Of the second label: in MRPC and QQP, that two texts mean the same.
    "f1": Metric(
        lambda targets, answers: metrics.f1_score(targets == 1, answers == 1, zero_division=0.0),
        two_labels=True,
    ),
    "f1_macro": Metric(
        lambda targets, answers: metrics.f1_score(
            targets, answers, average="macro", zero_division=0.0
        )
    ),
    "matthews": Metric(metrics.matthews_corrcoef, chance=0.0),
    "pearson": Metric(_correlation(stats.pearsonr), of_scores=True),
    "spearman": Metric(_correlation(stats.spearmanr), of_scores=True),
}
"""By the names that params.yaml and metrics files use."""


def valid_metrics(task: Task) -> list[str]:
    """Names of the metrics that are meaningful for the task."""
    return [name for name, metric in METRICS.items() if metric.is_valid_for(task)]


def evaluate(predictions: Predictions) -> dict[str, Any]:
    """Compute every metric of the task on every split with targets.

    `metric` names the main metric. `splits` holds for each split its metrics, `n` (examples),
    `interval` (95 % bootstrap interval of the main metric over examples) and, where the task has
    groups, the main metric of each group. `baseline` holds for each split the main metric of the
    majority baseline; in multiple choice, the accuracy of a guess. `sha256` is that of the task's
    table.
    """
    task, answers = predictions.task, predictions.answers
    splits, baseline = {}, {}
    for split in dict.fromkeys(predictions.split):
        rows = (predictions.split == split) & ~np.isnan(predictions.target)
        if rows.any():
            splits[split] = _split_scores(predictions, answers, rows)
            baseline[split] = _baseline(predictions, rows)
    return {
        "task": task.name,
        "model": predictions.model,
        "seed": predictions.seed,
        "sha256": predictions.sha256,
        "metric": task.metrics[0],
        "splits": splits,
        "baseline": baseline,
    }


def _split_scores(
    predictions: Predictions, answers: np.ndarray, rows: np.ndarray
) -> dict[str, Any]:
    names, targets, answers = predictions.task.metrics, predictions.target[rows], answers[rows]
    main = METRICS[names[0]]
    scores: dict[str, Any] = {name: METRICS[name](targets, answers) for name in names}
    scores |= {"n": len(targets), "interval": _bootstrap_interval(main, targets, answers)}
    groups = predictions.group[rows]
    for group in sorted({group for group in groups if group is not None}):
        of_group = groups == group
        scores[f"{names[0]}_{group}"] = main(targets[of_group], answers[of_group])
    return scores


def _baseline(predictions: Predictions, rows: np.ndarray) -> float:
    if predictions.task.shape == "multiple_choice":
        choices = [len(scores) for scores, row in zip(predictions.scores, rows, strict=True) if row]
        return float(np.mean(1 / np.array(choices)))
    targets = predictions.target[rows]
    main = METRICS[predictions.task.metrics[0]]
    return main(targets, np.full(len(targets), predictions.majority_answer))


def _bootstrap_interval(main: Metric, targets: np.ndarray, answers: np.ndarray) -> list[float]:
    """The 95 % percentile bootstrap, seeded; costs `RESAMPLES` evaluations of the metric."""
    random = np.random.default_rng(0)
    resampled = []
    for _ in range(RESAMPLES):
        rows = random.integers(len(targets), size=len(targets))
        resampled.append(main(targets[rows], answers[rows]))
    return [float(bound) for bound in np.percentile(resampled, [2.5, 97.5])]


def reported_split(splits: Sequence[str]) -> str:
    """The split to compare by: the first test split that was scored, else the first split."""
    return next((split for split in splits if split.startswith("test")), splits[0])
