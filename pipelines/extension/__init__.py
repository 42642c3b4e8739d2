"""What GPT-1 adds to a driver of DVC graphs: the one place where the driver reaches `stages`.

A contract of import-linter keeps `gpt1` and `stages` out of the rest of `pipelines`. In a foreign
DVC project there are no params to check and no results to show. Its MLflow runs are those of any
project whose stages use `stages.tracking`.

This module has what the driver calls. `commands` has the commands of `gpt1` that are ours, `cost`
and `results` what they print.
"""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gpt1.errors import UserError
from stages import installed
from stages.tracking import git_tags
from stages.tracking.driver import recorder
from stages.tracking.mlflow_run import FOLDER as MLFLOW_FOLDER
from stages.tracking.mlflow_run import MLflowRun
from stages.tracking.mlflow_run import connect as connect_mlflow
from stages.tracking.mlflow_run import database as mlflow_database

if TYPE_CHECKING:
    from collections.abc import Collection

    from mlflow import MlflowClient

    from gpt1.document import Table
    from pipelines.graph.graph import Graph

__all__ = [
    "MLFLOW_FOLDER",
    "MLflowRun",
    "connect_mlflow",
    "git_tags",
    "mlflow_database",
    "recorder",
]


def present() -> bool:
    """Whether the project in the current folder is this one or laid out by it, no foreign one."""
    return Path("stages", "entry.py").is_file() or installed.FILE.is_file()


def prepare() -> None:
    """Check all of `params.yaml`, and have `gpt1.json` say which code is installed.

    Raises UserError for the first mistake.
    """
    if present():
        from stages import entry

        entry.check()
    from pipelines.extension import template

    if template.is_laid_out():
        template.check_packages()
        known = installed.FILE.is_file()
        template.tell_of_other_code(just_installed=installed.refresh() and known)


def is_code(path: str) -> bool:
    """Whether a dep is code of this project, which the lineage of data leaves out."""
    return present() and (path.startswith(("gpt1/", "stages/")) or path == str(installed.FILE))


def comparison_page(root: Path, address: str) -> str:
    """The page of the MLflow server at `address` with tasks and models side by side, if any."""
    if not present():
        return ""
    from stages.tracking import comparison

    client, experiment = connect_mlflow(root, address)
    with suppress(UserError):  # a mistake in params keeps nobody from the servers
        record_comparison(client, experiment)
    return comparison.page(address, experiment)


def record_comparison(client: "MlflowClient", experiment: str, parent: str = "") -> None:
    """Record the scores of all tasks and models in MLflow, below the run `parent`."""
    if present():
        from pipelines.extension import results

        results.record(client, experiment, parent)


def results_table() -> "tuple[Table, str] | None":
    """The comparison, and the report as Markdown. Raises UserError when a score is missing."""
    if not present():
        return None
    from pipelines.extension import results

    return results.table(), results.REPORT.with_name("report.md").read_text()


def print_results(selected: "Collection[str]") -> bool:
    """Print the comparison where the stage `report` is in a run; returns whether it is."""
    if not present() or "report" not in selected:
        return False
    from pipelines.extension import results

    results.show()
    print(f"\nreport      {results.REPORT}")
    return True


def print_cost(graph: "Graph", selected: "Collection[str]", as_json: bool) -> None:
    """Print what the long ones of the `selected` stages take in time, memory and disk."""
    if not present():
        raise UserError("--cost knows the stages of GPT-1 alone, and this is another project")
    from pipelines.extension import cost

    cost.show(graph, selected, as_json)
