"""The Prefect flow: one task for each stage of DVC's graph, and nothing that DVC does not know."""

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from prefect import flow, task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed, State

from gpt1.errors import UserError
from pipelines import graph, lockfile, plan, results, servers, workspace
from pipelines.records import Records
from pipelines.runner import Outcome, Runner
from pipelines.schedule import Capacity, run_all
from pipelines.terminal import Terminal
from stages import tracking

if TYPE_CHECKING:
    from dvc.repo import Repo

WATCH_SECONDS = 1.0
PROGRESS_SECONDS = 3.0
UNCHANGED = "Nothing it depends on changed."


@flow(name="gpt1", flow_run_name="pipeline", validate_parameters=False)
def pipeline(
    targets: list[str] | None = None,
    workers: int | None = None,
    keep_going: bool = True,
    force: bool = False,
    on_workers: bool = False,
) -> State:
    """Bring the stages up to date: what changed, and what hangs on it.

    Args:
        targets: Stages to end with, such as `report` or `finetune@book-gpt-1`; none: all.
        workers: CPU threads to fill with stages side by side; none: all cores.
        keep_going: After a failure go on with all that does not hang on the failed stage.
        force: Run the targets and all they hang on even where nothing changed.
        on_workers: Run each stage on a worker of the work pool `gpu` or `cpu`, not here.
    """
    repo = graph.open_project()
    with workspace.held(repo) as root, Terminal() as terminal:
        planned = plan.make(repo, targets or [], force)
        driver = Driver(repo, terminal, force)
        capacity = Capacity.of_this_machine(workers)
        if on_workers:
            driver.use_pools(planned)
            capacity = Capacity.unlimited()
        driver.show_unchanged(planned)
        with ends_on_signals(driver.runner), watched(driver.runner, root, flow_run.id):
            outcomes = run_all(
                planned.graph,
                planned.to_launch(),
                driver.launch,
                capacity,
                keep_going=keep_going,
                stopped=driver.runner.cancelled.is_set,
            )
        return driver.end(outcomes)


class Driver:
    """Plays stages as Prefect tasks, and tells MLflow and the UI what came of them."""

    def __init__(self, repo: "Repo", terminal: Terminal, force: bool) -> None:
        self._repo, self._one_at_a_time = repo, threading.Lock()
        root = Path(repo.root_dir)
        self.records = Records(root)
        self.records.end_dead()
        self.parent = tracking.Run("pipeline", {"stage": "pipeline"})
        self.runner = Runner(root, {"GPT1_PARENT_RUN": self.parent.id})
        self._root, self._terminal = root, terminal
        self._futures: dict[str, PrefectFuture[Any]] = {}
        self._run: Callable[[graph.Stage, Any], Outcome] = partial(self.runner.run, force=force)

    def use_pools(self, planned: plan.Plan) -> None:
        """From now on workers run the stages. Raises UserError where something is not committed."""
        from pipelines.pools import Pools

        parent = self.parent.id if self.records.address else ""
        launched = planned.to_launch()
        pools = Pools(self._repo, planned.graph, launched, parent, self.runner.cancelled)
        pools.push()
        self._run = pools.run

    def show_unchanged(self, planned: plan.Plan) -> None:
        """A task that was done before, for each stage that is not launched."""
        launched = set(planned.to_launch())
        makers = self.records.makers()
        for name, stage in planned.graph.stages.items():
            if name in planned.selected and name not in launched:
                message = f"{UNCHANGED} {self._made_by(makers.get(name))}"
                state = partial(Completed, name="Cached", message=message)
                self._submit(stage, state)

    def launch(self, stage: graph.Stage, done: Callable[[Outcome], None]) -> None:
        """Start a stage as a Prefect task; `done` hears its outcome, whatever Prefect does."""
        played: list[Outcome] = []

        def body() -> State:
            self._terminal.started(stage.name)
            try:
                played.append(self._run(stage, Listener(self._terminal, stage.name)))
            except UserError as error:
                played.append(Outcome("failed", tail=[str(error)]))
            with self._one_at_a_time:
                lockfile.guard(self._repo)
            if played[0].status == "ran":
                with outsiders_may_fail():
                    self.records.note_stage(stage.name, self.parent.id)
            return self._state(stage.name, played[0])

        def ended(_: object) -> None:
            outcome = played[0] if played else Outcome("failed", tail=["Prefect did not start it"])
            self._terminal.ended(stage.name, outcome)
            done(outcome)

        self._submit(stage, body).add_done_callback(ended)

    def end(self, outcomes: dict[str, Outcome]) -> State:
        """The state of the whole run, once all is told to everyone."""
        for future in self._futures.values():
            future.wait()
        self._terminal.failures(outcomes)
        state = self._whole(outcomes)
        self._terminal.console.print(f"{state.name}. {state.message}")
        with outsiders_may_fail():
            self._show_results()
            self.parent.end(
                {"COMPLETED": "FINISHED", "CANCELLED": "KILLED"}.get(state.type, "FAILED")
            )
            self.records.end_dead(self.parent.id)
        return state

    def _submit(self, stage: graph.Stage, body: Callable[[], State]) -> PrefectFuture[Any]:
        named = task(name=stage.name, task_run_name=stage.name, description=stage.description)
        upstream = [self._futures[name] for name in stage.upstream if name in self._futures]
        future = named(body).submit(return_state=False, wait_for=upstream)
        self._futures[stage.name] = future
        return future

    def _state(self, name: str, outcome: Outcome) -> State:
        told = f"{outcome.seconds:.1f} s; the whole output: {outcome.log}"
        match outcome.status:
            case "ran":
                return Completed(message=told)
            case "restored" | "unchanged":
                with outsiders_may_fail():
                    told = f"{UNCHANGED} {self._made_by(self.records.makers().get(name))}"
                return Completed(
                    name="Restored" if outcome.status == "restored" else "Cached", message=told
                )
            case "cancelled":
                return Cancelled(message=told)
        return Failed(message="\n".join([*outcome.tail, told]))

    def _made_by(self, run: str | None) -> str:
        return f"Made by MLflow run {self._link(run)}" if run else ""

    def _link(self, run: str) -> str:
        """The page of a run where a server shows it, else its id."""
        server = servers.running(self._root, "mlflow")
        address = self.records.address or (server.address if server else "")
        return f"{address}/#/experiments/{self.records.experiment}/runs/{run}" if address else run

    def _whole(self, outcomes: dict[str, Outcome]) -> State:
        failed = [name for name, outcome in outcomes.items() if outcome.status == "failed"]
        skipped = sum(outcome.status == "skipped" for outcome in outcomes.values())
        if self.runner.cancelled.is_set():
            return Cancelled(message="`gpt1 run` goes on from here.")
        if failed:
            return Failed(message=f"{', '.join(failed)}; {skipped} stages skipped.")
        return Completed(message=f"{len(outcomes)} stages brought up to date.")

    def _show_results(self) -> None:
        link = self._link(self.parent.id)
        if "://" in link:
            create_link_artifact(link, "This run in MLflow", key="mlflow")
        with suppress(UserError, OSError):
            table = results.table()
            rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
            create_table_artifact(rows, key="results", description=table.caption)
            create_markdown_artifact(
                results.REPORT.with_name("report.md").read_text(), key="report"
            )


class Listener:
    """Passes what a stage says to the terminal, the log of its task, and a progress artifact."""

    def __init__(self, terminal: Terminal, stage: str) -> None:
        self._terminal = terminal
        self._logger = get_run_logger()
        self._key = "progress-" + re.sub(r"[^a-z0-9]+", "-", stage.lower())
        self._artifact: UUID | None = None
        self._due = 0.0

    def line(self, stage: str, text: str) -> None:
        self._terminal.line(stage, text)
        self._logger.info(text)

    def progress(self, stage: str, text: str) -> None:
        self._terminal.progress(stage, text)
        percent = re.search(r"(\d+)%\|", text)
        if percent and time.monotonic() >= self._due:
            self._due = time.monotonic() + PROGRESS_SECONDS
            with outsiders_may_fail():
                self._draw(float(percent[1]), text.strip())

    def _draw(self, percent: float, text: str) -> None:
        if self._artifact:
            update_progress_artifact(self._artifact, percent, text)
        else:
            self._artifact = cast(UUID, create_progress_artifact(percent, self._key, text))


@contextmanager
def outsiders_may_fail() -> Iterator[None]:
    """A server that is away ends no stage."""
    try:
        yield
    except Exception as error:  # whatever Prefect, MLflow or the network raise
        get_run_logger().warning(f"{type(error).__name__}: {error}")


@contextmanager
def ends_on_signals(runner: Runner) -> Iterator[None]:
    """The first signal ends each stage in its own time, the second at once."""

    heard: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        heard.append(number)
        runner.cancel(at_once=len(heard) > 1)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def watched(runner: Runner, root: Path, run: str | None) -> Iterator[None]:
    """Look whether someone cancelled the run in the UI, and start a server that died again."""
    over = threading.Event()
    server = servers.running(root, "prefect")

    def revive() -> None:
        if server and not servers.running(root, "prefect"):
            servers.start(root, "prefect", server.port, server.keep)

    def watch() -> None:
        with get_client(sync_client=True) as client:
            while not over.wait(WATCH_SECONDS):
                with suppress(Exception):  # a server that is away for a moment ends nothing
                    revive()
                    state = client.read_flow_run(UUID(run)).state
                    if state and (state.is_cancelling() or state.is_cancelled()):
                        runner.cancel()
                        return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        revive()  # it has yet to hear how the run ended
