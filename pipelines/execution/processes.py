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


def end(session: int, grace: float, spare: int | None = None) -> None:
    """Send SIGTERM to every process of a session, and SIGKILL to those left after `grace` seconds.

    SIGKILL goes to their children in other sessions, too: `torchrun` starts its processes there,
    and a killed one does not end them. The process `spare` gets no signal.
    """
    limit = time.monotonic() + grace
    if grace:
        _send(members(session, spare), signal.SIGTERM)
    while left := members(session, spare):
        if time.monotonic() >= limit:
            _send([*_children(left), *left], signal.SIGKILL)
        time.sleep(0.05)


def members(session: int, spare: int | None = None) -> list[psutil.Process]:
    """The processes of a session without zombies. Walks all processes of the machine."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != spare and os.getsid(process.pid) == session and _lives(process):
                found.append(process)
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue
    return found


def end_children(grace: float) -> list[str]:
    """End all descendants of this process, whatever their session; returns the names of them.

    SIGTERM to each once, and SIGKILL to those left after `grace` seconds.
    """
    limit, names = time.monotonic() + grace, dict[int, str]()
    while left := _children([psutil.Process()]):
        late = time.monotonic() >= limit
        _send(
            [p for p in left if late or p.pid not in names],
            signal.SIGKILL if late else signal.SIGTERM,
        )
        names |= {process.pid: _name(process) for process in left if process.pid not in names}
        time.sleep(0.05)
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:  # a subreaper has the zombies of others, too
            pass
    return [f"{name} ({pid})" for pid, name in names.items()]


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return "?"


def _children(processes: list[psutil.Process]) -> list[psutil.Process]:
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found += process.children(recursive=True)
    return [process for process in found if _lives(process)]


@contextmanager
def pid_file(root: Path, session: int, grace: float) -> Iterator[None]:
    """Keep `.work/sessions/PID` during the block; it stays when this process is killed."""
    file = _folder(root) / str(session)
    file.parent.mkdir(parents=True, exist_ok=True)
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(session).create_time()
        file.write_text(json.dumps({"started": started, "grace": grace}))
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
