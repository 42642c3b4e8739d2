"""Process sessions: each stage and each server runs in its own, so that it can be ended whole."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from gpt1.errors import UserError


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


def end(session: int, grace: float) -> None:
    """SIGTERM to every process of a session, and SIGKILL to what is left after `grace` seconds.

    The latter goes to their children in other sessions, too: a launcher of several training
    processes would end these itself, if it could still.
    """
    limit = time.monotonic() + grace
    if grace:
        _send(members(session), signal.SIGTERM)
    while left := members(session):
        if time.monotonic() >= limit:
            _send([*_children(left), *left], signal.SIGKILL)
        time.sleep(0.05)


def members(session: int) -> list[psutil.Process]:
    """The processes of a session, zombies left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue
    return found


def _children(processes: list[psutil.Process]) -> list[psutil.Process]:
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found += process.children(recursive=True)
    return found


@contextmanager
def noted(root: Path, session: int, grace: float) -> Iterator[None]:
    """Keep a note of a session while it lasts, for when this process is killed before it."""
    note = _notes(root) / str(session)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"started": time.time(), "grace": grace}))
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def end_left_over(root: Path) -> None:
    """End the sessions that a killed driver left behind."""
    for note in _notes(root).glob("*"):
        try:
            written = json.loads(note.read_text())
        except ValueError:  # killed while it wrote
            written = {"started": note.stat().st_mtime, "grace": 0}
        session = int(note.name)
        ours = [p for p in members(session) if abs(_start(session, p) - written["started"]) < 5]
        if ours:
            end(session, written["grace"])
        note.unlink()


def _notes(root: Path) -> Path:
    return root / ".work" / "sessions"


def _start(session: int, member: psutil.Process) -> float:
    """When the session began: its leader tells, or while it lives on without one, its members."""
    try:
        return psutil.Process(session).create_time()
    except psutil.NoSuchProcess:
        return member.create_time()


def _send(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
