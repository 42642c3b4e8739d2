"""The Prefect server and the MLflow server of this project, on loopback, each noted in a file."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from gpt1.errors import UserError
from pipelines import sessions
from stages import tracking

HOST = "127.0.0.1"
START_SECONDS = 180


@dataclass(frozen=True)
class Kind:
    port: int
    """Where people expect it."""
    health: str
    command: Callable[[Path, int], list[str]]


@dataclass(frozen=True)
class Server:
    """One that was started here; `created` tells its process from a later one of its number."""

    kind: str
    pid: int
    created: float
    port: int
    keep: bool
    """Until `gpt1 down`; otherwise it ends with the run that started it."""

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"


def running(root: Path, kind: str) -> Server | None:
    """The server that the note speaks of, if its process is still there."""
    try:
        server = Server(**json.loads(_note(root, kind).read_text()))
        process = psutil.Process(server.pid)
        alive = abs(process.create_time() - server.created) < 1
        alive = alive and process.status() != psutil.STATUS_ZOMBIE  # killed, and our own child
    except (OSError, ValueError, TypeError, psutil.NoSuchProcess):
        return None
    return server if alive else None


def healthy(server: Server) -> bool:
    try:
        with urllib.request.urlopen(server.address + KINDS[server.kind].health, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def start(root: Path, kind: str, port: int = 0, keep: bool = False) -> Server:
    """The server that is up, or a new one on `port` (0: any free one), once it answers.

    Raises UserError when the port is taken, when it never answers, or with its last line when it
    ends at once.
    """
    there = running(root, kind)
    server = there or _launched(root, kind, port, keep)
    end = time.monotonic() + START_SECONDS
    while not healthy(server):
        alive = running(root, kind)
        if not alive or time.monotonic() > end:
            if not there:
                stop(root, kind)
            log = _log(root, kind)
            said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            reason = f"no answer in {START_SECONDS} s" if alive else (said or ["?"])[-1]
            raise UserError(f"the {kind} server does not start: {reason} (see {log})")
        time.sleep(0.2)
    return _noted(root, replace(server, keep=server.keep or keep))


def _launched(root: Path, kind: str, port: int, keep: bool) -> Server:
    port = _free(kind, port)
    log = _log(root, kind)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            KINDS[kind].command(root, port),
            env=os.environ | environment(root) | {"PREFECT_SERVER_UI_API_URL": _api(port)},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    created = psutil.Process(process.pid).create_time()
    return _noted(root, Server(kind, process.pid, created, port, keep))


def stop(root: Path, kind: str) -> bool:
    """End the server that was started here, and nothing else; whether there was one."""
    server = running(root, kind)
    if server:
        sessions.end(server.pid, grace=5)
    _note(root, kind).unlink(missing_ok=True)
    return server is not None


def environment(root: Path) -> dict[str, str]:
    """Everything inside the project, nothing told to anyone."""
    return {
        "PREFECT_HOME": str(root / ".prefect"),
        "PREFECT_PROFILES_PATH": str(root / ".prefect" / "profiles.toml"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # 2 processes, not 10
    }


def _prefect(root: Path, port: int) -> list[str]:
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST]
    return [*command, "--port", str(port)]


def _mlflow(root: Path, port: int) -> list[str]:
    database = os.environ.get("MLFLOW_BACKEND_STORE_URI", "")  # MLflow's own name for it
    if not database:
        tracking.connect(root)  # the first touch of a database
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    artifacts = str(root / tracking.FOLDER / "artifacts")
    store = ["--backend-store-uri", database or tracking.database(root)]
    store += ["--artifacts-destination", artifacts]
    return [*command, *store, "--workers", "1"]


KINDS = {
    "prefect": Kind(4200, "/api/health", _prefect),
    "mlflow": Kind(5000, "/health", _mlflow),
}


def _api(port: int) -> str:
    """Where the page in the browser asks; Prefect would say 4200, whatever the port."""
    return f"http://{HOST}:{port}/api"


def _free(kind: str, port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise UserError(
                f"port {port} is taken by another program; choose one with --{kind}-port"
            ) from None
        return int(probe.getsockname()[1])


def _note(root: Path, kind: str) -> Path:
    return root / ".work" / "servers" / f"{kind}.json"


def _log(root: Path, kind: str) -> Path:
    return _note(root, kind).with_suffix(".log")


def _noted(root: Path, server: Server) -> Server:
    note = _note(root, server.kind)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(asdict(server)))
    return server
