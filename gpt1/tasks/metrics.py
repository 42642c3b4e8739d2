"""Scores, from predictions alone."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats
from sklearn import metrics

from gpt1.tasks.predictions import Predictions
from gpt1.tasks.table import Task

RESAMPLES = 1000
OF_SCORES = ("pearson", "spearman")
"""Metrics of a regression; the others are of labels."""


def _f1(targets: np.ndarray, answers: np.ndarray) -> float:
    """Of the last label, as in MRPC and QQP, where it says that two texts mean the same."""
    positive = 1.0
    return float(metrics.f1_score(targets == positive, answers == positive, zero_division=0.0))


def _correlation(measure: Callable) -> Callable[[np.ndarray, np.ndarray], float]:
    def correlation(targets: np.ndarray, answers: np.ndarray) -> float:
        """0 where one side never varies, as in a constant answer: it tells nothing."""
        if np.ptp(targets) == 0 or np.ptp(answers) == 0:
            return 0.0
        return float(measure(targets, answers).statistic)

    return correlation


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": lambda targets, answers: float(metrics.accuracy_score(targets, answers)),
    "f1": _f1,
    "f1_macro": lambda targets, answers: float(
        metrics.f1_score(targets, answers, average="macro", zero_division=0.0)
    ),
    "matthews": lambda targets, answers: float(metrics.matthews_corrcoef(targets, answers)),
    "pearson": _correlation(stats.pearsonr),
    "spearman": _correlation(stats.spearmanr),
}


def fitting(task: Task) -> list[str]:
    """The metrics that say something about a task of this shape."""
    if task.shape == "regression":
        return list(OF_SCORES)
    labels = [name for name in METRICS if name not in OF_SCORES]
    two = task.shape != "multiple_choice" and len(task.labels) == 2
    return labels if two else [name for name in labels if name != "f1"]


def evaluate(predictions: Predictions) -> dict[str, Any]:
    """Every metric of the task on every split with targets.

    `metric` names the one to compare by. A split holds its metrics, `n` (examples), `interval`
    (95 % bootstrap interval of the main metric, over examples) and, where the task has groups, the
    main metric of each. `baseline` has for each split the main metric of the usual training answer;
    in multiple choice, of a guess. `sha256` is that of the task's table.
    """
    task, answers = predictions.task, predictions.answers
    splits, baseline = {}, {}
    for split in dict.fromkeys(predictions.split):
        rows = (predictions.split == split) & ~np.isnan(predictions.target)
        if rows.any():
            splits[split] = _split(predictions, answers, rows)
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


def _split(predictions: Predictions, answers: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    names, targets, answers = predictions.task.metrics, predictions.target[rows], answers[rows]
    main = METRICS[names[0]]
    found: dict[str, Any] = {name: METRICS[name](targets, answers) for name in names}
    found |= {"n": len(targets), "interval": _interval(main, targets, answers)}
    groups = predictions.group[rows]
    for group in sorted({group for group in groups if group is not None}):
        of_group = groups == group
        found[f"{names[0]}_{group}"] = main(targets[of_group], answers[of_group])
    return found


def _baseline(predictions: Predictions, rows: np.ndarray) -> float:
    if predictions.task.shape == "multiple_choice":
        choices = [len(scores) for scores, row in zip(predictions.scores, rows, strict=True) if row]
        return float(np.mean(1 / np.array(choices)))
    targets = predictions.target[rows]
    main = METRICS[predictions.task.metrics[0]]
    return main(targets, np.full(len(targets), predictions.usual))


def _interval(main: Callable, targets: np.ndarray, answers: np.ndarray) -> list[float]:
    """The percentile bootstrap: how far another sample of like size could have scored."""
    random = np.random.default_rng(0)
    resampled = []
    for _ in range(RESAMPLES):
        rows = random.integers(len(targets), size=len(targets))
        resampled.append(main(targets[rows], answers[rows]))
    return [float(bound) for bound in np.percentile(resampled, [2.5, 97.5])]


def reported_split(splits: Sequence[str]) -> str:
    """The first test split that was scored, else the first other one."""
    return next((split for split in splits if split.startswith("test")), splits[0])
