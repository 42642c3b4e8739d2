"""Read the stages' metrics and curves, from exactly those files that the params ask for.

No folder is listed, because files of an earlier experiment may still be there.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from gpt1.analysis.report.statistics import Estimate, mean_estimate
from gpt1.errors import UserError
from gpt1.tasks.metrics import reported_split

T = TypeVar("T")


@dataclass(frozen=True)
class Cell:
    """The main metric of one model on one task and split, in per cent."""

    task: str
    model: str
    split: str
    metric: str
    n: int
    baseline: float
    values: dict[int, float]
    """By seed."""
    intervals: dict[int, tuple[float, float]]
    """By seed: 95 % by bootstrap over the examples."""
    sha256: str
    """Of the task's table."""

    @property
    def mean(self) -> Estimate:
        return mean_estimate(list(self.values.values()))

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds; None for a single seed."""
        values = list(self.values.values())
        return statistics.stdev(values) if len(values) > 1 else None


@dataclass(frozen=True)
class ZeroShotCurve:
    """Scores over pretraining updates, chance and ceiling in per cent."""

    task: str
    model: str
    metric: str
    split: str
    n: int
    chance: float
    ceiling: float
    curve: pd.DataFrame
    """Columns update, score, normalised."""


@dataclass(frozen=True)
class Results:
    """Folders of metrics and curves. Methods raise UserError for a missing or truncated file."""

    metrics: Path
    curves: Path

    def cell(self, task: str, model: str, seeds: Sequence[int]) -> Cell:
        """The scores of all seeds on the reported split: test, or dev where test has no labels."""
        contents = {seed: self._evaluation(task, model, seed) for seed in seeds}
        first = next(iter(contents.values()))
        split = reported_split(list(first["splits"]))
        metric = first["metric"]
        for seed, each in contents.items():
            if each["sha256"] != first["sha256"]:
                raise _different_tables(task, f"{model}-{seed}", f"{model}-{seeds[0]}")
        return Cell(
            task,
            model,
            split,
            metric,
            first["splits"][split]["n"],
            100 * first["baseline"][split],
            {seed: 100 * each["splits"][split][metric] for seed, each in contents.items()},
            {
                seed: (100 * low, 100 * high)
                for seed, each in contents.items()
                for low, high in [each["splits"][split]["interval"]]
            },
            first["sha256"],
        )

    def corpus(self) -> dict[str, Any]:
        """The data card of the cleaned books."""
        return _read(self.metrics / "clean.json", "clean", _json("steps", "dropped", "sha256"))

    def contamination(self, task: str) -> dict[str, Any]:
        """The overlap of a task with the training books."""
        path = self.metrics / "contamination" / f"{task}.json"
        return _read(path, f"contamination@{task}", _json("splits", "longest"))

    def pretraining(self, model: str) -> dict[str, Any]:
        """Parameters, updates, operations, and losses on the training and validation books."""
        path = self.metrics / "pretrain" / f"{model}.json"
        return _read(
            path, f"pretrain@{model}", _json("parameters", "updates", "operations", "valid")
        )

    def loss_curve(self, model: str) -> pd.DataFrame:
        path = self.curves / "pretrain" / f"{model}.csv"
        return _read(path, f"pretrain@{model}", _csv("update", "loss"))

    def samples(self, model: str) -> dict[str, Any]:
        """The prompt, and each checkpoint's continuation."""
        path = self.metrics / "samples" / f"{model}.json"
        return _read(path, f"samples@{model}", _json("prompt", "samples"))

    def zero_shot(self, task: str, model: str) -> ZeroShotCurve:
        stage, name = f"zero_shot@{task}-{model}", f"{task}-{model}"
        columns = ("metric", "split", "n", "chance", "ceiling")
        about = _read(self.metrics / "zero_shot" / f"{name}.json", stage, _json(*columns))
        path = self.curves / "zero_shot" / f"{name}.csv"
        curve = _read(path, stage, _csv("update", "score", "normalised"))
        return ZeroShotCurve(task, model, **{key: about[key] for key in columns}, curve=curve)

    def _evaluation(self, task: str, model: str, seed: int) -> dict[str, Any]:
        path = self.metrics / "evaluate" / f"{task}-{model}-{seed}.json"
        stage = f"evaluate@{task}-{model}-{seed}"
        return _read(path, stage, _json("metric", "splits", "baseline", "sha256"))


def check_same_table(cells: Sequence[Cell]) -> Cell:
    """Return the first of the cells of a task; UserError where they are of different tables."""
    for cell in cells:
        if cell.sha256 != cells[0].sha256:
            raise _different_tables(cell.task, cell.model, cells[0].model)
    return cells[0]


def _different_tables(task: str, one: str, other: str) -> UserError:
    return UserError(
        f"metrics/evaluate: {task}-{one} was scored on another table of the task than "
        f"{task}-{other}; `dvc repro` brings both to the same"
    )


def _read(path: Path, stage: str, parse: Callable[[Path], T]) -> T:
    try:
        return parse(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro {stage}` writes it") from None
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is truncated ({reason}); `dvc repro -f {stage}`") from None


def _json(*keys: str) -> Callable[[Path], dict[str, Any]]:
    def parse(path: Path) -> dict[str, Any]:
        content = json.loads(path.read_text(encoding="utf-8"))
        absent = [key for key in keys if not isinstance(content, dict) or key not in content]
        if absent:
            raise ValueError(f"{absent[0]} is not in it")
        return content

    return parse


def _csv(*columns: str) -> Callable[[Path], pd.DataFrame]:
    def parse(path: Path) -> pd.DataFrame:
        content = pd.read_csv(path)
        absent = [column for column in columns if column not in content]
        if absent:
            raise ValueError(f"it has no column {absent[0]}")
        return content

    return parse
