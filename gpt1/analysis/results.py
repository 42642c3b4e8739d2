"""What the stages measured, read from exactly the files that are asked for.

A comparison that was taken out of the params leaves its files behind; nothing here lists a folder.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gpt1.errors import UserError


@dataclass(frozen=True)
class Score:
    """The main metric of one fine-tuned model on one split, in the units of the paper's tables."""

    task: str
    model: str
    seed: int
    split: str
    metric: str
    value: float
    baseline: float
    n: int


def scores(metrics: Path, cells: Iterable[tuple[str, str, int]]) -> list[Score]:
    """The scores of each `(task, model, seed)`, one for each of its splits.

    Raises UserError when a file is missing or cut short.
    """
    found = []
    for task, model, seed in cells:
        path = metrics / "evaluate" / f"{task}-{model}-{seed}.json"
        content = read_json(path, f"evaluate@{task}-{model}-{seed}")
        try:
            metric = content["metric"]
            for split, measured in content["splits"].items():
                found.append(
                    Score(
                        task=task,
                        model=model,
                        seed=seed,
                        split=split,
                        metric=metric,
                        value=100 * measured[metric],
                        baseline=100 * content["baseline"][split],
                        n=measured["n"],
                    )
                )
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}: {error} is not in it; remove the file and run again"
            ) from None
    return found


def curve(path: Path, stage: str, columns: Iterable[str] = ("update", "loss")) -> pd.DataFrame:
    """A curve that `stage` wrote, one row a measurement.

    Raises UserError when it is missing or cut short.
    """
    try:
        found = pd.read_csv(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro {stage}` writes it") from None
    except ValueError as error:
        raise UserError(f"{path} is cut short ({error}); `dvc repro {stage}` writes it") from None
    absent = sorted(set(columns) - set(found.columns))
    if absent:
        raise UserError(f"{path} has no column {absent[0]}; `dvc repro {stage}` writes it again")
    return found


def read_json(path: Path, stage: str) -> dict[str, Any]:
    """The JSON object that `stage` wrote. Raises UserError when it is missing or cut short."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro {stage}` writes it") from None
    except ValueError as error:
        raise UserError(f"{path} is cut short ({error}); `dvc repro {stage}` writes it") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object; `dvc repro {stage}` writes it again")
    return content
