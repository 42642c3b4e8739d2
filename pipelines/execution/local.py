"""Run stages: one `dvc repro --single-item` each, in a session of its own, to be ended whole."""

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from pipelines import gpus, sessions
from pipelines.graph import Stage

Status = Literal["ran", "restored", "unchanged", "failed", "cancelled", "skipped"]
TAIL = 12


@dataclass(frozen=True)
class Outcome:
    status: Status
    seconds: float = 0.0
    log: Path | None = None
    """The whole output of the stage."""
    tail: list[str] = field(default_factory=list)
    """Its last lines."""

    @property
    def good(self) -> bool:
        return self.status in {"ran", "restored", "unchanged"}


class Listener(Protocol):
    """Hears what a stage says while it runs."""

    def line(self, stage: str, text: str) -> None: ...

    def progress(self, stage: str, text: str) -> None:
        """A progress bar was drawn anew."""


class Runner:
    """Runs stages of the project at `root`; `cancel` ends all of them."""

    def __init__(self, root: Path, environment: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.cancelled = threading.Event()
        self._environment = os.environ | _STAGE_ENVIRONMENT | dict(environment or {})
        self._environment["PATH"] = os.pathsep.join(
            [os.path.dirname(sys.executable), self._environment.get("PATH", os.defpath)]
        )
        self._running: dict[int, Stage] = {}
        self._asked = threading.Lock()
        self._gpus = gpus.Lender()

    def run(self, stage: Stage, listener: Listener, force: bool = False) -> Outcome:
        """Run `stage`, again up to `retries` times when it fails, and wait for its end."""
        outcome = self._once(stage, listener, force)
        for attempt in range(stage.needs.retries):
            if outcome.status != "failed":
                break
            listener.line(stage.name, f"failed; retry {attempt + 1} of {stage.needs.retries}")
            outcome = self._once(stage, listener, force)
        return outcome

    def cancel(self, at_once: bool = False) -> None:
        """Ask every running stage to end; kill what is left after its grace, or at once.

        Asked by several, such as a signal and the UI, each stage hears it once: a second time means
        to a training that it is not to save its state.
        """
        self.cancelled.set()
        if not at_once and not self._asked.acquire(blocking=False):
            return
        for session, stage in list(self._running.items()):
            _end(session, 0 if at_once else stage.needs.grace)

    def _once(self, stage: Stage, listener: Listener, force: bool) -> Outcome:
        if self.cancelled.is_set():
            return Outcome("cancelled")
        start = time.monotonic()
        log = self.root / ".work" / "logs" / re.sub(r"[^-@.\w]", "_", f"{stage.name}.txt")
        log.parent.mkdir(parents=True, exist_ok=True)
        with (
            self._gpus.lent(stage.needs.gpu) as lent,
            self._process(stage, force, lent) as process,
            _time_limit(process, stage) as overdue,
        ):
            tail, said = self._listen(process, stage.name, listener, log)
        if overdue.is_set():
            tail.append(f"stopped after its time limit of {stage.needs.timeout:g} s")
        status: Status = said
        if process.returncode != 0:
            status = "cancelled" if self.cancelled.is_set() else "failed"
        return Outcome(status, time.monotonic() - start, log, tail)

    @contextmanager
    def _process(
        self, stage: Stage, force: bool, lent: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """DVC at work on one stage. When the block ends, so has every process of the stage."""
        command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item"]
        process = subprocess.Popen(
            [*command, *(["--force"] if force else []), stage.name],
            cwd=self.root,
            env=self._environment | dict(lent),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with sessions.noted(self.root, process.pid, stage.needs.grace):
            self._running[process.pid] = stage
            if self.cancelled.is_set():  # between the look above and now
                _end(process.pid, stage.needs.grace)
            try:
                yield process
            finally:
                process.wait()
                sessions.end(process.pid, stage.needs.grace if self.cancelled.is_set() else 0)
                del self._running[process.pid]

    def _listen(
        self, process: subprocess.Popen[bytes], name: str, listener: Listener, log: Path
    ) -> tuple[list[str], Status]:
        """Pass on each line until the end; the last lines, and what DVC said it does."""
        tail: deque[str] = deque(maxlen=TAIL)
        status: Status = "ran"
        with log.open("w") as file:
            for text, whole in _pieces(process):
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
"""What DVC tells after every stage."""


def _end(session: int, grace: float) -> None:
    threading.Thread(target=sessions.end, args=(session, grace), daemon=True).start()


@contextmanager
def _time_limit(process: subprocess.Popen[bytes], stage: Stage) -> Iterator[threading.Event]:
    """End the stage after its time limit; the event tells whether that happened."""
    overdue = threading.Event()

    def end() -> None:
        overdue.set()
        sessions.end(process.pid, stage.needs.grace)

    if not stage.needs.timeout:
        yield overdue
        return
    timer = threading.Timer(stage.needs.timeout, end)
    timer.start()
    try:
        yield overdue
    finally:
        timer.cancel()


def _pieces(process: subprocess.Popen[bytes]) -> Iterator[tuple[str, bool]]:
    """Lines as they come, and between them (False) each state of a progress bar."""
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
