"""Reports a run and its stages to MLflow, to Prefect's UI and to the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed, State

from gpt1.errors import UserError
from pipelines import extension
from pipelines.execution import lockfile
from pipelines.execution.executor import Outcome
from pipelines.execution.lockfile import Entry
from pipelines.flow import servers
from pipelines.flow.terminal import Terminal
from pipelines.history.records import OutputKey, Records, output_key

UNCHANGED = "Nothing it depends on changed."


class Reporter:
    """The MLflow run of a whole pipeline, and what is said of its stages."""

    def __init__(self, root: Path, terminal: Terminal) -> None:
        self.records = Records(root)
        self.records.mark_orphaned_runs_killed()
        self.terminal = terminal
        self._root = root
        self._run = extension.MLflowRun("pipeline", {"stage": "pipeline"} | extension.git_tags())

    @cached_property
    def _writers(self) -> dict[OutputKey, str]:
        """As they were when first asked for: what is restored was made before this run."""
        return self.records.writers()

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        return lockfile.entries(self._root)

    @property
    def run_id(self) -> str:
        """The MLflow run of the pipeline, which is the parent of each stage's run."""
        return self._run.id

    def state(self, name: str, outcome: Outcome) -> State:
        """The Prefect state of a stage that ended."""
        summary = f"{outcome.seconds:.1f} s"
        if outcome.log:
            summary += f"; the whole output: {outcome.log}"
        match outcome.status:
            case "ran":
                return Completed(message=summary)
            case "restored" | "unchanged":
                with ignore_server_errors():
                    summary = self.unchanged(name, outcome.entry)
                return Completed(
                    name="Restored" if outcome.status == "restored" else "Cached", message=summary
                )
            case "cancelled":
                return Cancelled(message=summary)
        return Failed(message="\n".join([*outcome.tail, summary]))

    def unchanged(self, name: str, entry: Entry | None = None) -> str:
        """The message of a stage that did not run, with the MLflow run that made its outputs.

        `entry` is that of `dvc.lock`, by default as it was when the run began.
        """
        run = self._writers.get(output_key(name, entry or self._entries.get(name, {})))
        return f"{UNCHANGED} " + (f"Made by MLflow run {self._page(run)}" if run else "")

    def finish(self, outcomes: dict[str, Outcome], cancelled: bool) -> State:
        """Report the end of the run everywhere and return its Prefect state."""
        self.terminal.failures(outcomes)
        state = _final_state(outcomes, cancelled)
        self.terminal.console.print(f"{state.name}. {state.message}")
        with ignore_server_errors():
            extension.record_comparison(self.records.client, self.records.experiment, self._run.id)
        with ignore_server_errors():
            self._create_artifacts()
            self._run.end(
                {"COMPLETED": "FINISHED", "CANCELLED": "KILLED"}.get(state.type, "FAILED")
            )
            self.records.mark_orphaned_runs_killed(self.run_id)
        return state

    def _page(self, run: str) -> str:
        """The address of a run's page where a server shows it, else the id of the run."""
        server = servers.running(self._root, "mlflow")
        address = self.records.address or (server.address if server else "")
        return f"{address}/#/experiments/{self.records.experiment}/runs/{run}" if address else run

    def _create_artifacts(self) -> None:
        page = self._page(self.run_id)
        if "://" in page:
            create_link_artifact(page, "This run in MLflow", key="mlflow")
        with suppress(UserError, OSError):  # the results are not all there yet
            if found := extension.results_table():
                table, report = found
                rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
                create_table_artifact(rows, key="results", description=table.caption)
                create_markdown_artifact(report, key="report")


@contextmanager
def ignore_server_errors() -> Iterator[None]:
    """Log an error of Prefect, MLflow or the network: a server that is away fails no stage."""
    try:
        yield
    except Exception as error:  # these libraries raise errors of many kinds
        get_run_logger().warning(f"{type(error).__name__}: {error}")


def _final_state(outcomes: dict[str, Outcome], cancelled: bool) -> State:
    failed = [name for name, outcome in outcomes.items() if outcome.status == "failed"]
    skipped = sum(outcome.status == "skipped" for outcome in outcomes.values())
    if cancelled:
        return Cancelled(message="Resume with `gpt1 run`.")
    if failed:
        return Failed(message=f"{', '.join(failed)}; {skipped} stages skipped.")
    return Completed(message=f"{len(outcomes)} stages brought up to date.")
