"""Sends the course of a training run to MLflow."""

import math
from collections.abc import Sequence

from gpt1.training.callback import Callback, Row
from stages.tracking import Run


class Recorder(Callback):
    """Records some columns of the curve, and the speed, as metrics of `run`.

    Of the updates those whose number has at most `digits` digits that count: with 2 (99, 100, 110,
    ..., 1,200) 90 in each power of ten, with 3 ten times as many. Each update of 600 fine-tunes on
    the paper's tasks would be 38 million rows. The CSV of a fine-tune has all of its updates. Each
    held-out loss is recorded.
    """

    def __init__(self, run: Run, columns: Sequence[str], digits: int = 2) -> None:
        self._run, self._columns, self._digits = run, columns, digits
        self._speed: dict[str, float] = {}

    def on_update(self, updates: int, row: Row) -> None:
        if updates % 10 ** max(0, len(str(updates)) - self._digits) == 0:
            values = {name: row[name] for name in self._columns} | self._speed
            self._run.metrics(values, step=updates)
            self._speed = {}
        if not math.isnan(valid := row.get("valid_loss", math.nan)):
            self._run.metrics({"valid_loss": valid}, step=updates)

    def on_speed(self, updates: int, speed: dict[str, float]) -> None:
        self._speed = {f"speed/{name}": value for name, value in speed.items()}
