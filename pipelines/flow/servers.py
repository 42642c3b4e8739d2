"""Start and stop the Prefect server and the MLflow server of a project, on loopback.

`.work/servers/KIND.json` records each server that runs.
"""

import fcntl
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import quote

import psutil

from gpt1 import loopback
from gpt1.errors import UserError
from pipelines import extension
from pipelines.execution import processes

HOST = "127.0.0.1"
START_SECONDS = 180
DATABASES = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL")
"""Prefect's names of the variable for its database."""


@dataclass(frozen=True)
class Kind:
    port: int
    """The usual port."""
    health: str
    """The path that answers once the server is up."""
    command: Callable[[Path, int], list[str]]


@dataclass(frozen=True)
class Server:
    """A running server. `created` tells its process from a later one with the same pid."""

    kind: str
    pid: int
    created: float
    port: int
    keep: bool
    """It runs until `gpt1 down`; otherwise it ends with the run that started it."""
    launcher: int
    """The pid of the process that started it."""

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"


def running(root: Path, kind: str) -> Server | None:
    """The server in the state file, if its process is still alive."""
    try:
        server = Server(**json.loads(_state_file(root, kind).read_text()))
        process = psutil.Process(server.pid)
        alive = abs(process.create_time() - server.created) < 1
        alive = alive and process.status() != psutil.STATUS_ZOMBIE  # a killed child of this process
    except (OSError, ValueError, TypeError, psutil.NoSuchProcess):
        return None
    return server if alive else None


def healthy(server: Server) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(server.address + KINDS[server.kind].health, timeout=5):
            return True
    except (urllib.error.URLError, OSError, http.client.HTTPException):
        return False  # the last where a probe of a port that nobody serves yet met itself


def start(root: Path, kind: str, port: int = 0, keep: bool = False) -> Server:
    """Return the server that runs, or start one on `port` (0: any free port), once it answers.

    Of several processes that call this at once, one launches it. Raises UserError when the port is
    taken, the server does not answer, or it ends at once.
    """
    end = time.monotonic() + START_SECONDS
    server = None
    while True:
        with _lock(root, kind):
            now = running(root, kind)
            if not now and (not server or _of_others(server)):  # theirs may end before it answers
                now = _launch(root, kind, port)
        server = now
        if server and healthy(server):
            break
        if not server or time.monotonic() > end:
            stop(root, kind, spare=_of_others)
            log = _log(root, kind)
            said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            reason = f"no answer in {START_SECONDS} s" if server else (said or ["?"])[-1]
            raise UserError(f"the {kind} server does not start: {reason} (see {log})")
        time.sleep(0.2)
    with _lock(root, kind):
        now = running(root, kind) or server
        return _save(root, replace(now, keep=now.keep or keep))


def wanted_by_others(server: Server) -> bool:
    """Whether it is to be kept, or was started by another process that still runs."""
    return server.keep or (_of_others(server) and psutil.pid_exists(server.launcher))


def _of_others(server: Server) -> bool:
    return server.launcher != os.getpid()


def _launch(root: Path, kind: str, port: int) -> Server:
    port = _free(kind, port)
    log = _log(root, kind)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            KINDS[kind].command(root, port),
            env=os.environ
            | environment(root)
            | _database(root)
            | {"PREFECT_SERVER_UI_API_URL": _api(port)},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    created = psutil.Process(process.pid).create_time()
    return _save(root, Server(kind, process.pid, created, port, False, os.getpid()))


def stop(root: Path, kind: str, spare: Callable[[Server], bool] = lambda _: False) -> bool:
    """End the server in the state file with all its processes; returns whether there was one.

    One for which `spare` holds stays.
    """
    with _lock(root, kind):
        server = running(root, kind)
        if server and spare(server):
            return False
        if server:
            processes.end(server.pid, grace=5)
        _state_file(root, kind).unlink(missing_ok=True)
        return server is not None


@contextmanager
def starting(
    root: Path, ports: dict[str, int], keep: bool = False
) -> Iterator[dict[str, Future[Server]]]:
    """Start a server of each kind in `ports` while the block runs; each takes seconds.

    When the block raises, those that this process launched are stopped.
    """
    with ThreadPoolExecutor() as pool:
        started = {kind: pool.submit(start, root, kind, ports[kind], keep) for kind in ports}
        try:
            yield started
        except BaseException:
            ended = False
            while not ended:  # a thread may be about to launch its server
                ended = all(future.done() for future in started.values())
                for kind in ports:
                    stop(root, kind, spare=_of_others)
                time.sleep(0.1)
            raise


def environment(root: Path) -> dict[str, str]:
    """Variables for the servers and their clients.

    They keep the files of both servers in the project, no proxy between them, and telemetry off.
    """
    return loopback.direct() | {
        "PREFECT_HOME": str(root / ".prefect"),
        "PREFECT_PROFILES_PATH": str(root / ".prefect" / "profiles.toml"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",  # pages about a server that is away
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # 2 processes, not 10
    }


def _database(root: Path) -> dict[str, str]:
    """Prefect's database, unless the user chose one.

    Prefect's own default does not encode the path, so that a `%` or `?` in it leads elsewhere.
    """
    if any(name in os.environ for name in DATABASES):
        return {}
    path = quote(str(root / ".prefect" / "prefect.db"))
    return {DATABASES[0]: f"sqlite+aiosqlite:///{path}"}


def _prefect(root: Path, port: int) -> list[str]:
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST]
    return [*command, "--port", str(port)]


def _mlflow(root: Path, port: int) -> list[str]:
    database = os.environ.get("MLFLOW_BACKEND_STORE_URI", "")  # MLflow's own variable
    if not database:
        extension.connect_mlflow(root)  # creates the tables, which must not happen twice at once
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    artifacts = (root / extension.MLFLOW_FOLDER / "artifacts").as_uri()
    store = ["--backend-store-uri", database or extension.mlflow_database(root)]
    store += ["--artifacts-destination", artifacts]
    return [*command, *store, "--workers", "1"]


KINDS = {
    "prefect": Kind(4200, "/api/health", _prefect),
    "mlflow": Kind(5000, "/health", _mlflow),
}


def _api(port: int) -> str:
    """The API address for the page in the browser; Prefect's default is port 4200 always."""
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


def _state_file(root: Path, kind: str) -> Path:
    return root / ".work" / "servers" / f"{kind}.json"


@contextmanager
def _lock(root: Path, kind: str) -> Iterator[None]:
    """Keeps processes apart that start or stop a server of one kind at the same time."""
    path = _state_file(root, kind).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _log(root: Path, kind: str) -> Path:
    return _state_file(root, kind).with_suffix(".log")


def _save(root: Path, server: Server) -> Server:
    file = _state_file(root, server.kind)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(server)))
    return server
