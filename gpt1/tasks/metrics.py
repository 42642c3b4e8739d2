"""Scores, from predictions alone."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpt1.tasks.predictions import Predictions
from gpt1.tasks.table import Task

RESAMPLES = 1000


@dataclass(frozen=True)
class Metric:
    """A measure of agreement, called as `metric(targets, answers)` with float64 arrays (examples,).

    It is at most 1, and higher is better: scores are shown in per cent. Targets and answers are
    indices of labels or choices, or the scores of a regression.
    """

    measure: Callable[..., float]
    """Of a confusion matrix, int64 (K, K), targets by answers; of the two arrays if `of_scores`."""
    of_scores: bool = False
    """For regressions; the other metrics are for labels."""
    two_labels: bool = False
    """Valid only where the task has exactly two labels."""
    chance: float | None = None
    """What a guess scores; None: one over the number of answers."""

    def __call__(self, targets: np.ndarray, answers: np.ndarray) -> float:
        if self.of_scores:
            return float(self.measure(targets, answers))
        return float(self.measure(confusion(targets, answers)))

    def resampled(
        self,
        targets: np.ndarray,
        answers: np.ndarray,
        clusters: np.ndarray,
        random: np.random.Generator,
    ) -> Iterator[float]:
        """Yield the metric of `RESAMPLES` samples of the clusters with replacement.

        clusters: int (examples,); examples with one number are drawn together.
        """
        count, clusters = len({*clusters}), np.unique(clusters, return_inverse=True)[1]
        pairs, labels = (None, 0) if self.of_scores else _pairs(targets, answers)
        for _ in range(RESAMPLES):
            drawn = np.bincount(random.integers(count, size=count), minlength=count)[clusters]
            if pairs is None:
                rows = np.repeat(np.arange(len(targets)), drawn)
                yield float(self.measure(targets[rows], answers[rows]))
            else:
                yield float(self.measure(_count(pairs, labels, drawn)))

    def is_valid_for(self, task: Task) -> bool:
        if self.of_scores != (task.shape == "regression"):
            return False
        return not self.two_labels or (task.shape != "multiple_choice" and len(task.labels) == 2)


def confusion(targets: np.ndarray, answers: np.ndarray, labels: int = 0) -> np.ndarray:
    """Counts of examples by target (rows) and answer (columns), int64 (K, K); K >= `labels`."""
    pairs, present = _pairs(targets, answers, labels)
    return _count(pairs, present)


def _pairs(targets: np.ndarray, answers: np.ndarray, labels: int = 0) -> tuple[np.ndarray, int]:
    """The place of each example in a flat confusion matrix, and K."""
    labels = max(labels, int(max(targets.max(), answers.max())) + 1)
    return (targets * labels + answers).astype(np.int64), labels


def _count(pairs: np.ndarray, labels: int, times: np.ndarray | None = None) -> np.ndarray:
    """`times`: how often each example counts."""
    counts = np.bincount(pairs, times, minlength=labels**2)
    return counts.astype(np.int64).reshape(labels, labels)


# scikit-learn's measures check their arguments for 1 ms, which the bootstrap would pay 1,000 times,
# and take 0.8 s to import. They are the tests' oracle.


def _accuracy(counts: np.ndarray) -> float:
    return counts.trace() / counts.sum()


def _f1(counts: np.ndarray) -> np.ndarray:
    """F1 of each label, (K,); NaN for one that is neither a target nor an answer."""
    with np.errstate(invalid="ignore"):
        return 2 * counts.diagonal() / (counts.sum(axis=0) + counts.sum(axis=1))


def _f1_second(counts: np.ndarray) -> float:
    """F1 of the second label: in MRPC and QQP, that two texts mean the same."""
    return float(np.nan_to_num(_f1(counts)[1])) if len(counts) > 1 else 0.0


def _f1_macro(counts: np.ndarray) -> float:
    return float(np.nanmean(_f1(counts)))


def _matthews(counts: np.ndarray) -> float:
    """Matthews' correlation for K labels; 0 where it is undefined (Gorodkin, 2004)."""
    targets, answers = counts.sum(axis=1), counts.sum(axis=0)
    total = counts.sum()
    spread = (total**2 - targets @ targets) * float(total**2 - answers @ answers)
    return (counts.trace() * total - targets @ answers) / math.sqrt(spread) if spread else 0.0


def _correlation(name: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """That of scipy.stats; 0 where one side is constant, whose correlation is undefined."""

    def correlation(targets: np.ndarray, answers: np.ndarray) -> float:
        from scipy import stats  # 0.5 s, for regressions alone

        if np.ptp(targets) == 0 or np.ptp(answers) == 0:
            return 0.0
        return float(getattr(stats, name)(targets, answers).statistic)

    return correlation


METRICS: dict[str, Metric] = {
    "accuracy": Metric(_accuracy),
    "f1": Metric(_f1_second, two_labels=True),
    "f1_macro": Metric(_f1_macro),
    "matthews": Metric(_matthews, chance=0.0),
    "pearson": Metric(_correlation("pearsonr"), of_scores=True),
    "spearman": Metric(_correlation("spearmanr"), of_scores=True),
}
"""By the names that params.yaml and metrics files use."""


def valid_metrics(task: Task) -> list[str]:
    """Names of the metrics that are meaningful for the task."""
    return [name for name, metric in METRICS.items() if metric.is_valid_for(task)]


def resample(predictions: Predictions) -> dict[str, np.ndarray]:
    """The main metric over resampled examples of each split with targets: float64 (RESAMPLES,).

    For one task and split the n-th sample has the same examples whatever the model and seed, so
    that models are compared on the same ones; samples of two tasks have nothing in common.
    """
    main = METRICS[predictions.task.metrics[0]]
    samples = {}
    for split, rows in _scored(predictions):
        targets, answers = predictions.target[rows], predictions.answers[rows]
        random = np.random.default_rng([*f"{predictions.task.name}/{split}".encode()])
        found = main.resampled(targets, answers, predictions.cluster[rows], random)
        samples[split] = np.array([*found])
    return samples


def evaluate(
    predictions: Predictions, samples: Mapping[str, np.ndarray] | None = None
) -> dict[str, Any]:
    """Compute every metric of the task on every split with targets.

    `metric` names the main metric. `splits` holds for each split its metrics, `n` (examples), with
    `samples` of `resample` an `interval` (95 % of the main metric over examples) and, where the
    task has groups, the main metric of each group. `baseline` holds for each split the main metric
    of the majority baseline; in multiple choice, the accuracy of a guess. `sha256` is that of the
    task's table.
    """
    task, answers = predictions.task, predictions.answers
    splits, baseline = {}, {}
    for split, rows in _scored(predictions):
        splits[split] = _split_scores(predictions, answers, rows, (samples or {}).get(split))
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


def _scored(predictions: Predictions) -> Iterator[tuple[str, np.ndarray]]:
    """Each split with targets, and which rows those are: bool (examples,)."""
    for split in dict.fromkeys(predictions.split):
        rows = (predictions.split == split) & ~np.isnan(predictions.target)
        if rows.any():
            yield split, rows


def _split_scores(
    predictions: Predictions, answers: np.ndarray, rows: np.ndarray, samples: np.ndarray | None
) -> dict[str, Any]:
    names, targets, answers = predictions.task.metrics, predictions.target[rows], answers[rows]
    main = METRICS[names[0]]
    scores: dict[str, Any] = {name: METRICS[name](targets, answers) for name in names}
    scores["n"] = len(targets)
    if samples is not None:
        scores["interval"] = [float(bound) for bound in np.percentile(samples, [2.5, 97.5])]
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


def reported_split(splits: Sequence[str]) -> str:
    """The split to compare by: the first test split that was scored, else the first split."""
    return next((split for split in splits if split.startswith("test")), splits[0])
