"""The driver of a pipeline records its stages in MLflow: importing MLflow costs a stage seconds.

A stage sends the calls of its `tracking.Run` over a Unix socket, one at a time, each a line of
JSON: `["metrics", {"loss": 3.2}, 100]`. The first is `["begin", NAME, TAGS]`. The driver calls an
`MLflowRun` and answers with the warnings that the stage is to print.
"""

import dataclasses
import json
import os
import socket
import socketserver
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

CALLS = ("params", "tags", "metrics", "artifact", "model", "end")


@contextmanager
def recorder() -> Iterator[dict[str, str]]:
    """Record stages in threads of this process; yields the variable that they need."""
    with ExitStack() as running:
        folder = running.enter_context(tempfile.TemporaryDirectory())  # for this user alone
        address = f"{folder}/recorder"
        try:
            server = running.enter_context(_Server(address, _Handler))
        except OSError:  # a longer path than sockets may have: stages record themselves
            yield {}
            return
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.callback(server.shutdown)
        yield {"GPT1_RECORDER": address}


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True  # MLflow's server may hang


class _Handler(socketserver.StreamRequestHandler):
    """Serves one run."""

    def handle(self) -> None:
        from stages.tracking.mlflow_run import MLflowRun

        warnings: list[str] = []
        run, ended = None, False
        try:
            for line in self.rfile:
                call, *arguments = json.loads(line)
                if call == "begin":
                    run = MLflowRun(arguments[0], arguments[1], warnings.append)
                elif run and call in CALLS:
                    getattr(run, call)(*arguments)
                ended = call == "end"
                self.wfile.write(json.dumps(warnings).encode() + b"\n")
                warnings.clear()
        except (ConnectionError, ValueError):  # the stage was killed, perhaps within a line
            pass
        finally:
            if run and not ended:
                run.end("KILLED")


class DriverRun:
    """A run that the driver at the socket `address` records. Of several processes, rank 0's.

    Raises OSError when there is no driver, as on another machine.
    """

    def __init__(self, address: str, name: str, tags: dict[str, str]) -> None:
        self._socket: socket.socket | None = None
        if os.environ.get("RANK", "0") == "0":
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(address)
            self._file = self._socket.makefile("rw", encoding="utf-8")
            self._call("begin", name, tags)

    def params(self, values: Any) -> None:
        self._call("params", values if isinstance(values, dict) else dataclasses.asdict(values))

    def tags(self, values: dict[str, Any]) -> None:
        self._call("tags", {name: str(value) for name, value in values.items()})

    def metrics(self, values: dict[str, float], step: int | None = None) -> None:
        self._call("metrics", {name: float(value) for name, value in values.items()}, step)

    def artifact(self, path: Path | str) -> None:
        self._call("artifact", os.path.abspath(path))

    def model(self, directory: Path | str) -> None:
        self._call("model", os.path.abspath(directory))

    def end(self, status: str) -> None:
        self._call("end", status)
        if self._socket:
            self._socket.close()

    def _call(self, call: str, *arguments: Any) -> None:
        if not self._socket:
            return
        try:
            print(json.dumps([call, *arguments], default=str), file=self._file, flush=True)
            for warning in json.loads(self._file.readline()):
                print(warning, file=sys.stderr)
        except (OSError, ValueError) as error:  # the driver was killed
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._socket = None
        print(f"warning: the driver records no more of this stage: {error}", file=sys.stderr)
