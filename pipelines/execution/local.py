"""Run stages on this machine: one `dvc repro --single-item` for each, in its own process session.

One process for each stage, for DVC's Python API is not thread-safe; a session, for a signal to DVC
alone would leave the stage's command running.
"""

import codecs
import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipelines.execution import gpus, processes
from pipelines.execution.executor import TAIL, Listener, Outcome, Status
from pipelines.graph.graph import Stage


class LocalExecutor:
    """Runs stages of the project at `root`; with `force` even where DVC finds nothing changed."""

    def __init__(
        self, root: Path, environment: Mapping[str, str] | None = None, force: bool = False
    ) -> None:
        self._root, self._force = root, force
        self._cancelled = threading.Event()
        self._environment = os.environ | _STAGE_ENVIRONMENT | dict(environment or {})
        self._environment["PATH"] = os.pathsep.join(
            [os.path.dirname(sys.executable), self._environment.get("PATH", os.defpath)]
        )
        self._running: dict[int, Stage] = {}
        self._asked_to_end = threading.Lock()
        self._gpus = gpus.Lender()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def run(self, stage: Stage, listener: Listener) -> Outcome:
        """Run `stage`, and up to `retries` times more while it fails.

        Not by the retries of a Prefect task: a worker runs several stages in one flow run.
        """
        outcome = self._attempt(stage, listener)
        for attempt in range(stage.needs.retries):
            if outcome.status != "failed":
                break
            listener.line(stage.name, f"failed; retry {attempt + 1} of {stage.needs.retries}")
            outcome = self._attempt(stage, listener)
        return outcome

    def cancel(self, at_once: bool = False) -> None:
        """SIGTERM to every running stage and SIGKILL after its grace period; SIGKILL if `at_once`.

        Idempotent: SIGTERM is sent once even when a signal and the UI both cancel, because a second
        one makes a training exit without a checkpoint.
        """
        self._cancelled.set()
        if not at_once and not self._asked_to_end.acquire(blocking=False):
            return
        for session, stage in list(self._running.items()):
            _end(session, 0 if at_once else stage.needs.grace)

    def _attempt(self, stage: Stage, listener: Listener) -> Outcome:
        if self.cancelled:
            return Outcome("cancelled")
        start = time.monotonic()
        log = self._root / ".work" / "logs" / re.sub(r"[^-@.\w]", "_", f"{stage.name}.txt")
        log.parent.mkdir(parents=True, exist_ok=True)
        with (
            self._gpus.lent(stage.needs.gpu) as lent,
            self._process(stage, lent) as process,
            _time_limit(process, stage) as overdue,
        ):
            tail, said = self._listen(process, stage.name, listener, log)
        if overdue.is_set():
            tail.append(f"stopped after its time limit of {stage.needs.timeout:g} s")
        status: Status = said
        if process.returncode != 0:
            status = "cancelled" if self.cancelled else "failed"
        return Outcome(status, time.monotonic() - start, log, tail)

    @contextmanager
    def _process(self, stage: Stage, lent: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        """A DVC process that runs `stage`. No process of its session is left after the block."""
        command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item"]
        process = subprocess.Popen(
            [*command, *(["--force"] if self._force else []), stage.name],
            cwd=self._root,
            env=self._environment | dict(lent),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with processes.pid_file(self._root, process.pid, stage.needs.grace):
            self._running[process.pid] = stage
            if self.cancelled:  # since the check in _attempt
                _end(process.pid, stage.needs.grace)
            try:
                yield process
            finally:
                process.wait()
                processes.end(process.pid, stage.needs.grace if self.cancelled else 0)
                del self._running[process.pid]

    def _listen(
        self, process: subprocess.Popen[bytes], name: str, listener: Listener, log: Path
    ) -> tuple[list[str], Status]:
        """Pass on each line until the process ends; return the last lines and what DVC did."""
        tail: deque[str] = deque(maxlen=TAIL)
        status: Status = "ran"
        with log.open("w") as file:
            for text, whole in _lines_and_bars(process):
                if not whole:
                    listener.progress(name, text)
                    continue
                file.write(f"{text}\n")
                file.flush()
                if text.strip() and not text.lstrip().startswith(_ADVICE):
                    tail.append(text)
                    listener.line(name, text)
                if "didn't change, skipping" in text:
                    status = "unchanged"
                elif "is cached - skipping run" in text:
                    status = "restored"
        return list(tail), status


_STAGE_ENVIRONMENT = {
    "DVC_NO_ANALYTICS": "1",
    "PYTHONUNBUFFERED": "1",
    "TQDM_MININTERVAL": "1",
    "TQDM_NCOLS": "80",
}

_ADVICE = (
    "To track the changes with git",
    "git add ",
    "To enable auto staging",
    "dvc config core.autostage",
    "Use `dvc push`",
)
"""How the lines begin that DVC prints after every stage."""


def _end(session: int, grace: float) -> None:
    threading.Thread(target=processes.end, args=(session, grace), daemon=True).start()


@contextmanager
def _time_limit(process: subprocess.Popen[bytes], stage: Stage) -> Iterator[threading.Event]:
    """End the stage after its time limit; yields an event that is set when that happened."""
    overdue = threading.Event()

    def end() -> None:
        overdue.set()
        processes.end(process.pid, stage.needs.grace)

    if not stage.needs.timeout:
        yield overdue
        return
    timer = threading.Timer(stage.needs.timeout, end)
    timer.start()
    try:
        yield overdue
    finally:
        timer.cancel()


def _lines_and_bars(process: subprocess.Popen[bytes]) -> Iterator[tuple[str, bool]]:
    """Each line as it is printed, with True; each state of a progress bar, with False."""
    assert process.stdout
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    while data := process.stdout.read1(65536):  # type: ignore[attr-defined]
        rest += decoder.decode(data)
        *lines, rest = rest.replace("\r\n", "\n").split("\n")
        for line in lines:
            yield line.rpartition("\r")[2], True
        if "\r" in rest:
            bar = rest.rpartition("\r")[2]
            rest = f"\r{bar}"
            if bar.strip():
                yield bar, False
    if rest.strip():
        yield rest.rpartition("\r")[2], True
