"""Process sessions (setsid): each stage and each server has its own, to end all its processes.

A file in `.work/sessions/` names each session that runs, for the driver that follows a killed one.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil


def end(session: int, grace: float) -> None:
    """Send SIGTERM to every process of a session, and SIGKILL to those left after `grace` seconds.

    SIGKILL goes to their children in other sessions, too: `torchrun` starts its processes there,
    and a killed one does not end them.
    """
    limit = time.monotonic() + grace
    if grace:
        _send(members(session), signal.SIGTERM)
    while left := members(session):
        if time.monotonic() >= limit:
            _send([*_children(left), *left], signal.SIGKILL)
        time.sleep(0.05)


def members(session: int) -> list[psutil.Process]:
    """The processes of a session without zombies. Walks all processes of the machine."""
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
def pid_file(root: Path, session: int, grace: float) -> Iterator[None]:
    """Keep `.work/sessions/PID` during the block; it stays when this process is killed."""
    file = _folder(root) / str(session)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"started": time.time(), "grace": grace}))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def end_orphans(root: Path) -> None:
    """End the sessions whose driver was killed, by the files that it left.

    The start time tells such a session from a later one with the same number.
    """
    for file in _folder(root).glob("*"):
        try:
            written = json.loads(file.read_text())
        except ValueError:  # the driver was killed during the write
            written = {"started": file.stat().st_mtime, "grace": 0}
        session = int(file.name)
        ours = [p for p in members(session) if abs(_start(session, p) - written["started"]) < 5]
        if ours:
            end(session, written["grace"])
        file.unlink()


def _folder(root: Path) -> Path:
    return root / ".work" / "sessions"


def _start(session: int, member: psutil.Process) -> float:
    """When the session started: by its leader, or by `member` once the leader has ended."""
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
