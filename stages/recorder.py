"""Sends the course of a training run to MLflow."""

from collections.abc import Sequence

from gpt1.training.callback import Callback, Row
from stages.tracking import Run


class Recorder(Callback):
    """Records some columns of the curve, and the speed, as metrics of `run`.

    Of the updates those whose number has at most two digits that count (99, 100, 110, ..., 1,200),
    90 in each power of ten: an update of each fine-tune of the paper's comparison would be 38
    million rows. The curve's CSV has them all.
    """

    def __init__(self, run: Run, columns: Sequence[str]) -> None:
        self._run, self._columns = run, columns

    def on_update(self, updates: int, row: Row) -> None:
        if updates % 10 ** max(0, len(str(updates)) - 2) == 0:
            self._run.metrics({name: row[name] for name in self._columns}, step=updates)

    def on_speed(self, updates: int, speed: dict[str, float]) -> None:
        values = {f"speed/{name}": value for name, value in speed.items()}
        self._run.metrics(values, step=updates)
