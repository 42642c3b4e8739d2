"""Stages as Prefect tasks: each runs on an executor, and its task shows how it ended."""

import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast
from uuid import UUID

from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import Completed, State

from gpt1.errors import UserError
from pipelines.execution.executor import Executor, Outcome
from pipelines.flow.reporter import Reporter, ignore_server_errors
from pipelines.flow.terminal import Terminal
from pipelines.graph.graph import Stage
from pipelines.graph.plan import Plan

PROGRESS_SECONDS = 3.0
LOG_RATE, LOG_BURST = 20.0, 1000.0
"""Lines of a stage that Prefect gets: a second in the long run, and at once."""


class StageTasks:
    """The Prefect tasks of the stages of `plan`."""

    def __init__(self, plan: Plan, executor: Executor, reporter: Reporter) -> None:
        self._plan, self._executor, self._reporter = plan, executor, reporter
        self._futures: dict[str, PrefectFuture[Any]] = {}

    def show_unchanged(self) -> None:
        """Submit a task that is done already for each unchanged stage that a launched one reads.

        Not for all of them: a task costs 7 ms.
        """
        stages, launched = self._plan.graph.stages, self._plan.launched
        read = {name for each in launched for name in stages[each].upstream} - launched
        for name in (name for name in stages if name in read):
            message = self._reporter.unchanged(name)
            self._submit(stages[name], partial(Completed, name="Cached", message=message))

    def launch(self, stage: Stage, done: Callable[[Outcome], None]) -> None:
        """Start a stage as a task; `done` receives its outcome even when Prefect fails."""
        reason, reporter = self._plan.why(stage.name), self._reporter
        outcomes: list[Outcome] = []

        def body() -> State:
            listener = StageListener(reporter.terminal, stage.name)
            reporter.terminal.started(stage.name)
            listener.line(stage.name, f"{self._plan.state(stage.name)}: {reason}")
            try:
                outcome = self._executor.run(stage, listener)
            except (UserError, OSError) as error:
                outcome = Outcome("failed", tail=[str(error)])
            except Exception as error:  # a fault of ours; the run goes on
                outcome = Outcome("failed", tail=[f"{type(error).__name__}: {error}"])
                get_run_logger().exception(stage.name)
            outcomes.append(outcome)
            if outcome.status == "ran" and outcome.entry:
                with ignore_server_errors():
                    reporter.records.record_stage(
                        stage.name, outcome.entry, reporter.run_id, reason
                    )
            return reporter.state(stage.name, outcome)

        def ended(_: object) -> None:
            outcome = (
                outcomes[0] if outcomes else Outcome("failed", tail=["Prefect did not start it"])
            )
            done(outcome)  # first: without it the run waits for ever
            reporter.terminal.ended(stage.name, outcome)

        self._submit(stage, body).add_done_callback(ended)

    def wait(self) -> None:
        """Wait until Prefect has the final state of every task."""
        for future in self._futures.values():
            future.wait()

    def _submit(self, stage: Stage, body: Callable[[], State]) -> PrefectFuture[Any]:
        named = task(name=stage.name, task_run_name=stage.name, description=stage.description)
        upstream = [self._futures[name] for name in stage.upstream if name in self._futures]
        future = named(body).submit(return_state=False, wait_for=upstream)
        self._futures[stage.name] = future
        return future


class StageListener:
    """Passes the output of a stage to the terminal, Prefect's log and a progress artifact."""

    def __init__(self, terminal: Terminal, stage: str) -> None:
        self._terminal = terminal
        self._logger = get_run_logger()
        self._key = "progress-" + re.sub(r"[^a-z0-9]+", "-", stage.lower())
        self._artifact: UUID | None = None
        self._due = 0.0
        self._allowed, self._last_line, self._untold = LOG_BURST, time.monotonic(), 0

    def line(self, stage: str, text: str) -> None:
        """Print a line, and send it to Prefect unless there are too many.

        Prefect keeps what its server has not taken yet, and would send it for minutes after a run.
        """
        self._terminal.line(stage, text)
        now = time.monotonic()
        self._allowed = min(LOG_BURST, self._allowed + LOG_RATE * (now - self._last_line))
        self._last_line = now
        if self._allowed < 1:
            self._untold += 1
            return
        self._allowed -= 1
        if self._untold:
            self._logger.info(f"({self._untold} lines are in the log file alone)")
            self._untold = 0
        self._logger.info(text)

    def progress(self, stage: str, text: str) -> None:
        """Draw the bar; the artifact, which costs a request, once in `PROGRESS_SECONDS`."""
        self._terminal.progress(stage, text)
        percent = re.search(r"(\d+)%\|", text)
        if percent and time.monotonic() >= self._due:
            self._due = time.monotonic() + PROGRESS_SECONDS
            with ignore_server_errors():
                self._update_artifact(float(percent[1]), text.strip())

    def _update_artifact(self, percent: float, text: str) -> None:
        if self._artifact:
            update_progress_artifact(self._artifact, percent, text)
        else:
            self._artifact = cast(UUID, create_progress_artifact(percent, self._key, text))
