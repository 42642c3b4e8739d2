"""Sends the course of a training run to MLflow."""

from collections.abc import Sequence

from gpt1.training.callback import Callback, Row
from stages.tracking import Run


class Recorder(Callback):
    """Records some columns of the curve, and the speed, as metrics of `run`."""

    def __init__(self, run: Run, columns: Sequence[str]) -> None:
        self._run, self._columns = run, columns

    def on_update(self, updates: int, row: Row) -> None:
        self._run.metrics({name: row[name] for name in self._columns}, step=updates)

    def on_speed(self, updates: int, speed: dict[str, float]) -> None:
        values = {f"speed/{name}": value for name, value in speed.items()}
        self._run.metrics(values, step=updates)
