"""The comparison of tasks and models in the terminal and in MLflow, as the report has it."""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gpt1.errors import UserError
from gpt1.params import Compare, NoAuxiliary, Transfer, fine_tuned
from stages import entry
from stages.tracking import comparison

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from gpt1.document import Table as Compared

REPORT = Path("report", "index.html")
WIDE = 10_000
"""Columns of the terminal that a table is for: it breaks or cuts no name, and is no wider."""


def table() -> "Compared":
    """The table of the project in the current folder, without empty columns.

    Raises UserError when a listed score is missing.
    """
    from gpt1.analysis.report.comparison import score_table
    from gpt1.analysis.report.results import Results

    results = Results(Path("metrics"), Path("curves"))
    whole = score_table(results, entry.section(Compare, "compare"))
    kept = [n for n, cells in enumerate(zip(*whole.rows, strict=True)) if {*cells} != {"-"}]
    columns = [whole.columns[n] for n in kept]
    return replace(whole, columns=columns, rows=[[row[n] for n in kept] for row in whole.rows])


def show() -> None:
    """Print it."""
    compared = table()
    shown = Table(box=SIMPLE_HEAD, caption=compared.caption.replace("`", ""))
    for column in compared.columns:
        shown.add_column(column, no_wrap=True)
    for row in compared.rows:
        shown.add_row(*row)
    Console(width=WIDE).print(shown)


def record(client: "MlflowClient", experiment: str, parent: str = "") -> None:
    """Record the comparison in MLflow, below the run `parent`, and let the saved view show it.

    What is recorded already is not recorded again. A task is left out until all its scores exist.
    """
    rows = list(_rows())
    if not rows:  # no score of earlier params stays in view
        client.set_experiment_tag(experiment, comparison.TAG, comparison.view("none yet"))
        return
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    same = f"tags.scores = '{digest}' and attributes.status = 'FINISHED'"
    found = client.search_runs([experiment], same, max_results=1)
    run = found[0].info.run_id if found else _record(client, experiment, parent, digest, rows)
    client.set_experiment_tag(experiment, comparison.TAG, comparison.view(run[:8]))


def _rows() -> Iterator[dict[str, Any]]:
    """For each task and model its `tags`, `params` and `metrics`, and `scores` by seed."""
    from gpt1.analysis.report.results import Results, check_same_table

    results = Results(Path("metrics"), Path("curves"))
    sections = (
        entry.section(Compare, "compare"),
        entry.section(NoAuxiliary, "no_auxiliary"),
        entry.section(Transfer, "transfer"),
    )
    for task in sections[0].tasks:
        with suppress(UserError):
            cells = [results.cell(task, *each) for each in fine_tuned(task, *sections).items()]
            check_same_table(cells)
            for cell in cells:
                numbers = {"mean": cell.mean.mean, "baseline": cell.baseline}
                if (width := cell.mean.half_width) is not None:
                    numbers |= {"low": cell.mean.mean - width, "high": cell.mean.mean + width}
                yield {
                    "tags": {"task": task, "model": cell.model},
                    "params": {"metric": cell.metric, "split": cell.split},
                    "metrics": {name: round(value, 1) for name, value in numbers.items()}
                    | {"seeds": len(cell.values)},
                    "scores": cell.values,
                }


def _record(
    client: "MlflowClient", experiment: str, parent: str, digest: str, rows: list[dict[str, Any]]
) -> str:
    """Record `rows` as runs below a run of their own, which ends last; returns its id."""
    from mlflow.entities import Metric, Param

    def start(name: str, at: int, above: str, tags: dict[str, str]) -> str:
        tags |= {"mlflow.parentRunId": above} if above else {}
        return str(client.create_run(experiment, at, tags, name).info.run_id)

    now = time.time_ns() // 1_000_000
    whole = start("comparison", now, parent, {"stage": "comparison", "scores": digest})
    for place, row in enumerate(rows):
        tags = row["tags"] | {"comparison": whole[:8]}
        run = start(f"{tags['task']}-{tags['model']}", now - place, whole, tags)
        metrics = [Metric(name, value, now, 0) for name, value in row["metrics"].items()]
        metrics += [Metric("score", value, now, seed) for seed, value in row["scores"].items()]
        client.log_batch(run, metrics, [Param(*each) for each in row["params"].items()])
        client.set_terminated(run, end_time=now - place)
    client.set_terminated(whole)
    return whole
