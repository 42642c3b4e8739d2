"""The Prefect flow: one task for each stage of DVC's graph, and nothing that DVC does not know."""

import fcntl
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed, State

from gpt1.errors import UserError
from pipelines import graph, plan, sessions
from pipelines.runner import Outcome, Runner
from pipelines.schedule import Capacity, run_all
from pipelines.terminal import Terminal
from stages import tracking

CANCEL_POLL_SECONDS = 1.0


@flow(name="gpt1", flow_run_name="pipeline", validate_parameters=False)
def pipeline(
    targets: list[str] | None = None,
    workers: int | None = None,
    keep_going: bool = True,
    force: bool = False,
) -> State:
    """Bring the stages up to date: what changed, and what hangs on it.

    Args:
        targets: Stages to end with, such as `report` or `finetune@book-gpt-1`; none: all.
        workers: CPU threads to fill with stages side by side; none: all cores.
        keep_going: After a failure go on with all that does not hang on the failed stage.
        force: Run the targets and all they hang on even where nothing changed.
    """
    repo = graph.open_project()
    root = Path(repo.root_dir)
    with only_driver(root), Terminal() as terminal:
        sessions.end_left_over(root)
        planned = plan.make(repo, targets or [], force)
        parent = tracking.Run("pipeline", {"stage": "pipeline"})
        runner = Runner(root, {"GPT1_PARENT_RUN": parent.id})
        futures = {
            name: _cached.with_options(task_run_name=name).submit() for name in _idle(planned)
        }
        with _ends_on_signals(runner), _ends_on_cancel(runner, flow_run.id):
            outcomes = run_all(
                planned.graph,
                planned.to_launch(),
                _launcher(runner, terminal, futures, force),
                Capacity.of_this_machine(workers),
                keep_going=keep_going,
                stopped=runner.cancelled.is_set,
            )
        for future in futures.values():
            future.wait()
        terminal.failures(outcomes)
        state = _ending(outcomes, runner)
        terminal.console.print(f"{state.name}. {state.message}")
        parent.end({"COMPLETED": "FINISHED", "CANCELLED": "KILLED"}.get(state.type, "FAILED"))
    return state


@contextmanager
def only_driver(root: Path) -> Iterator[None]:
    """Hold the workspace; DVC's own locks do not keep two drivers apart. Raises UserError."""
    path = root / ".work" / "driver.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError("another `gpt1 run` is at work here; wait for it, or end it") from None
        yield


@task(name="cached", task_run_name="cached")
def _cached() -> State:
    return Completed(name="Cached", message="Nothing it depends on changed.")


def _idle(planned: plan.Plan) -> list[str]:
    launched = set(planned.to_launch())
    return [n for n in planned.graph.stages if n in planned.selected and n not in launched]


def _launcher(
    runner: Runner, terminal: Terminal, futures: dict[str, PrefectFuture[Any]], force: bool
) -> Callable[[graph.Stage, Callable[[Outcome], None]], None]:
    """Starts a stage as a Prefect task that waits for the tasks of the stages it hangs on."""

    def launch(stage: graph.Stage, done: Callable[[Outcome], None]) -> None:
        @task(name=stage.name, task_run_name=stage.name)
        def body() -> State:
            listener = Listener(terminal)
            terminal.started(stage.name)
            outcome = Outcome("failed")
            try:
                outcome = runner.run(stage, listener, force)
            finally:
                terminal.ended(stage.name, outcome)
                done(outcome)
            return _state(outcome)

        upstream = [futures[name] for name in stage.upstream if name in futures]
        futures[stage.name] = body.submit(return_state=False, wait_for=upstream)

    return launch


class Listener:
    """Passes what a stage says to the terminal and to the log of its Prefect task."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._logger = get_run_logger()

    def line(self, stage: str, text: str) -> None:
        self._terminal.line(stage, text)
        self._logger.info(text)

    def progress(self, stage: str, text: str) -> None:
        self._terminal.progress(stage, text)


def _state(outcome: Outcome) -> State:
    told = f"{outcome.seconds:.1f} s; the whole output: {outcome.log}"
    match outcome.status:
        case "ran":
            return Completed(message=told)
        case "restored":
            return Completed(name="Restored", message=told)
        case "unchanged":
            return Completed(name="Cached", message="Nothing it depends on changed.")
        case "cancelled":
            return Cancelled(message=told)
    return Failed(message="\n".join([*outcome.tail, told]))


def _ending(outcomes: dict[str, Outcome], runner: Runner) -> State:
    failed = [name for name, outcome in outcomes.items() if outcome.status == "failed"]
    skipped = sum(outcome.status == "skipped" for outcome in outcomes.values())
    if runner.cancelled.is_set():
        return Cancelled(message="`gpt1 run` goes on from here.")
    if failed:
        return Failed(message=f"Failed: {', '.join(failed)}; {skipped} stages skipped.")
    return Completed(message=f"{len(outcomes)} stages brought up to date.")


@contextmanager
def _ends_on_signals(runner: Runner) -> Iterator[None]:
    """The first signal ends each stage in its own time, the second at once."""

    def handle(_signal: int, _frame: FrameType | None) -> None:
        runner.cancel(at_once=runner.cancelled.is_set())

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
def _ends_on_cancel(runner: Runner, run: str | None) -> Iterator[None]:
    """Look whether someone cancelled the run in the UI."""
    over = threading.Event()

    def poll() -> None:
        with get_client(sync_client=True) as client:
            while not over.wait(CANCEL_POLL_SECONDS):
                try:
                    state = client.read_flow_run(UUID(run)).state
                except Exception:  # a server that is away for a moment ends nothing
                    continue
                if state and (state.is_cancelling() or state.is_cancelled()):
                    runner.cancel()
                    return

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
