"""Read the stages' metrics and curves, from exactly those files that the params ask for.

No folder is listed, because files of an earlier experiment may still be there.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, model_validator

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
    samples: dict[int, np.ndarray]
    """By seed: the metric over resampled examples, float64 (resamples,). The n-th sample of a task
    has the same examples whatever the model and seed."""
    sha256: str
    """Of the task's table."""

    @property
    def mean(self) -> Estimate:
        """Over seeds and examples."""
        return mean_estimate([*self.values.values()], np.mean([*self.samples.values()], axis=0))

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


class Counts(BaseModel):
    books: int
    words: int


class Card(BaseModel):
    """Of `metrics/clean.json`, as each of the following is of another file there."""

    steps: dict[str, Counts]
    dropped: dict[str, int]
    sha256: dict[str, str]


class Overlap(BaseModel):
    examples: int
    short: int
    overlapping: int


class Text(BaseModel):
    text: str


class Contamination(BaseModel):
    splits: dict[str, Overlap]
    longest: list[Text]


class HeldOut(BaseModel):
    loss: float
    perplexity: float
    perplexity_per_word: float
    bits_per_byte: float


class Pretraining(BaseModel):
    parameters: int
    updates: int
    operations: float
    valid: HeldOut


class Trigram(BaseModel):
    loss: float


class Sample(Text):
    update: int


class Samples(BaseModel):
    samples: list[Sample]


class ZeroShot(BaseModel):
    metric: str
    split: str
    n: int
    chance: float
    ceiling: float


class Scores(BaseModel, extra="allow"):
    n: int
    interval: tuple[float, float]
    __pydantic_extra__: dict[str, float]  # the metrics, by name


class Evaluation(BaseModel):
    metric: str
    splits: dict[str, Scores] = Field(min_length=1)
    baseline: dict[str, float]
    sha256: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        for split, scores in self.splits.items():
            if self.metric not in scores.__pydantic_extra__ or split not in self.baseline:
                raise ValueError(f"{split} has no {self.metric}, or no baseline")
        return self

    def score(self, split: str) -> float:
        """The main metric, in per cent."""
        return 100 * self.splits[split].__pydantic_extra__[self.metric]


@dataclass(frozen=True)
class Results:
    """Folders of metrics and curves. Methods raise UserError for a missing or damaged file."""

    metrics: Path
    curves: Path
    _evaluations: dict[str, dict[str, Evaluation]] = field(default_factory=dict, compare=False)
    """By task and cell."""
    _resampled: dict[str, pd.DataFrame] = field(default_factory=dict, compare=False)
    """By task; a column for each cell."""

    def cell(self, task: str, model: str, seeds: Sequence[int]) -> Cell:
        """The scores of all seeds on the reported split: test, or dev where test has no labels."""
        contents = {seed: self._evaluation(task, model, seed) for seed in seeds}
        first = next(iter(contents.values()))
        split = reported_split(list(first.splits))
        for seed, each in contents.items():
            if each.sha256 != first.sha256:
                raise _different_tables(task, f"{model}-{seed}", f"{model}-{seeds[0]}")
        return Cell(
            task,
            model,
            split,
            first.metric,
            first.splits[split].n,
            100 * first.baseline[split],
            {seed: each.score(split) for seed, each in contents.items()},
            {
                seed: (100 * low, 100 * high)
                for seed, each in contents.items()
                for low, high in [each.splits[split].interval]
            },
            {seed: 100 * self._samples(task, model, seed) for seed in seeds},
            first.sha256,
        )

    def corpus(self) -> Card:
        """The data card of the cleaned books."""
        return _read(self.metrics / "clean.json", "clean", _json(Card))

    def contamination(self, task: str) -> Contamination:
        """The overlap of a task with the training books."""
        path = self.metrics / "contamination" / f"{task}.json"
        return _read(path, f"contamination@{task}", _json(Contamination))

    def pretraining(self, model: str) -> Pretraining:
        """Parameters, updates, operations, and losses on the training and validation books."""
        path = self.metrics / "pretrain" / f"{model}.json"
        return _read(path, f"pretrain@{model}", _json(Pretraining))

    def trigram_loss(self) -> float:
        """Of the held-out books, in nats a token: what a language model must beat."""
        return _read(self.metrics / "trigram.json", "trigram", _json(Trigram)).loss

    def loss_curve(self, model: str) -> pd.DataFrame:
        path = self.curves / "pretrain" / f"{model}.csv"
        return _read(path, f"pretrain@{model}", _csv("update", "loss"))

    def samples(self, model: str) -> Samples:
        """The prompt, and each checkpoint's continuation."""
        path = self.metrics / "samples" / f"{model}.json"
        return _read(path, f"samples@{model}", _json(Samples))

    def zero_shot(self, task: str, model: str) -> ZeroShotCurve:
        stage, name = f"zero_shot@{task}-{model}", f"{task}-{model}"
        about = _read(self.metrics / "zero_shot" / f"{name}.json", stage, _json(ZeroShot))
        path = self.curves / "zero_shot" / f"{name}.csv"
        curve = _read(path, stage, _csv("update", "score", "normalised"))
        return ZeroShotCurve(task, model, **dict(about), curve=curve)

    def _samples(self, task: str, model: str, seed: int) -> np.ndarray:
        path, stage = self.metrics / "resampled" / f"{task}.parquet", f"evaluate@{task}"
        if task not in self._resampled:
            self._resampled[task] = _read(path, stage, _parquet)
        try:
            return self._resampled[task][f"{model}-{seed}"].to_numpy(np.float64)
        except KeyError:
            raise UserError(f"{path} has no {model}-{seed}; `dvc repro {stage}`") from None

    def _evaluation(self, task: str, model: str, seed: int) -> Evaluation:
        path, stage = self.metrics / "evaluate" / f"{task}.json", f"evaluate@{task}"
        if task not in self._evaluations:
            self._evaluations[task] = _read(path, stage, _json(dict[str, Evaluation]))
        try:
            return self._evaluations[task][f"{model}-{seed}"]
        except KeyError:
            raise UserError(f"{path} has no {model}-{seed}; `dvc repro {stage}`") from None


def gain(pairs: Sequence[tuple[Cell, Cell]]) -> Estimate:
    """The mean of the first minus the second score over all `pairs`, such as one for each task.

    Paired by seed, of those that all of them have, and by example: the chance in both counts.
    """
    seeds = sorted(set.intersection(*({*one.values} & {*other.values} for one, other in pairs)))
    by_seed = [
        float(np.mean([one.values[seed] - other.values[seed] for one, other in pairs]))
        for seed in seeds
    ]
    resampled = [one.samples[seed] - other.samples[seed] for one, other in pairs for seed in seeds]
    return mean_estimate(by_seed, np.mean(resampled, axis=0))


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
        raise UserError(f"{path} is damaged ({reason}); `dvc repro -f {stage}`") from None


def _json(shape: type[T]) -> Callable[[Path], T]:
    def parse(path: Path) -> T:
        try:
            return TypeAdapter(shape).validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"{where}: {first['msg']}".removeprefix(": ")) from None

    return parse


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError):
        raise ValueError("no Parquet") from None


def _csv(*columns: str) -> Callable[[Path], pd.DataFrame]:
    def parse(path: Path) -> pd.DataFrame:
        content = pd.read_csv(path)
        absent = [column for column in columns if column not in content]
        if absent:
            raise ValueError(f"it has no column {absent[0]}")
        content[list(columns)] = content[list(columns)].apply(pd.to_numeric)
        return content

    return parse
