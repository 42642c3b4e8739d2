"""Run stages on this machine: one process of `pipelines.execution.reproduce` for each at a time.

A process, for DVC's Python API is not thread-safe; a session, for a signal to that process alone
would leave the stage's command running.
"""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from pipelines.execution import gpus, processes
from pipelines.execution.executor import Listener, Outcome, Status
from pipelines.execution.lockfile import LockFiles
from pipelines.execution.output import Output
from pipelines.execution.process import ReproduceProcess
from pipelines.graph.graph import Stage

if TYPE_CHECKING:
    from dvc.repo import Repo


class LocalExecutor:
    """Runs stages of `repo`; with `force` even where DVC finds nothing changed."""

    def __init__(
        self, repo: "Repo", environment: Mapping[str, str] | None = None, force: bool = False
    ) -> None:
        self._root, self._force = Path(repo.root_dir), force
        self._environment = dict(environment or {})
        self._cancelled = threading.Event()
        self._asked_to_end = threading.Lock()
        self._running: dict[str, tuple[Stage, ReproduceProcess]] = {}
        self._idle: list[ReproduceProcess] = []
        self._lock_files = LockFiles(repo)
        self._gpus = gpus.Lender()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def run(self, stage: Stage, listener: Listener) -> Outcome:
        """Run `stage`, and up to `retries` times more while it fails.

        Not by the retries of a Prefect task: a worker runs several stages in one flow run.
        """
        retries = stage.needs.retries
        outcome = self._attempt(stage, listener)
        for attempt in range(1, retries + 1):
            if outcome.status == "failed":
                outcome = self._attempt(stage, listener, f"failed; retry {attempt} of {retries}")
        return outcome

    def cancel(self, at_once: bool = False) -> None:
        """SIGTERM to every running stage and SIGKILL after its grace period; SIGKILL if `at_once`.

        Idempotent: SIGTERM is sent once even when a signal and the UI both cancel.
        """
        self._cancelled.set()
        if not at_once and not self._asked_to_end.acquire(blocking=False):
            return
        for stage, process in list(self._running.values()):
            process.end(0 if at_once else stage.needs.grace)

    def close(self) -> None:
        """Write what is still to be written to `dvc.lock`, and end idle processes."""
        for process in self._idle:
            process.close()
        self._lock_files.flush()

    def _attempt(self, stage: Stage, listener: Listener, first_line: str = "") -> Outcome:
        if self.cancelled:
            return Outcome("cancelled")
        start = time.monotonic()
        log = self._root / ".work" / "logs" / re.sub(r"[^-@.\w]", "_", f"{stage.name}.txt")
        output = Output(stage.name, log, listener, append=bool(first_line))
        output.line(first_line)
        with (
            closing(output),
            self._gpus.lent(stage.needs.gpu) as lent,
            self._process(stage) as process,
            _time_limit(process, stage) as overdue,
        ):
            request = {
                "stage": stage.name,
                "entry": self._entry(stage),
                "force": self._force,
                "environment": dict(lent),
                "grace": stage.needs.grace,
            }
            ended = process.reproduce(request, output)
        if overdue.is_set():
            output.tail.append(f"stopped after its time limit of {stage.needs.timeout:g} s")
        entry = YAML(typ="safe").load(ended["entry"]) if ended.get("entry") else None
        if entry:
            self._lock_files.put(stage.name, entry)
        status: Status = ended["status"]
        if status == "failed" and self.cancelled:
            status = "cancelled"
        return Outcome(status, time.monotonic() - start, log, list(output.tail), entry)

    def _entry(self, stage: Stage) -> str | None:
        """What `dvc.lock` has of `stage`, as YAML."""
        from dvc.utils.serialize import dumps_yaml

        entry = self._lock_files.get(stage.name)
        return dumps_yaml(entry) if entry else None

    @contextmanager
    def _process(self, stage: Stage) -> Iterator[ReproduceProcess]:
        """A process for `stage`: an idle one, or a new one. It is kept while it is usable."""
        try:
            process = self._idle.pop()
        except IndexError:
            process = ReproduceProcess(self._root, self._environment)
        self._running[stage.name] = stage, process
        if self.cancelled:  # since the check in _attempt
            process.end(stage.needs.grace)
        try:
            with processes.pid_file(self._root, process.session, stage.needs.grace):
                yield process
        finally:
            del self._running[stage.name]
            if process.usable:
                self._idle.append(process)
            else:
                process.close()


@contextmanager
def _time_limit(process: ReproduceProcess, stage: Stage) -> Iterator[threading.Event]:
    """End the stage after its time limit; yields an event that is set when that happened."""
    overdue = threading.Event()

    def end() -> None:
        overdue.set()
        process.end(stage.needs.grace)

    timer = threading.Timer(stage.needs.timeout, end)
    if stage.needs.timeout:
        timer.start()
    try:
        yield overdue
    finally:
        timer.cancel()
