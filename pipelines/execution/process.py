"""The driver's side of a process of `pipelines.execution.reproduce`."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelines.execution import processes
from pipelines.execution.output import Output

ENVIRONMENT = {
    "DVC_NO_ANALYTICS": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONUTF8": "1",  # whatever the locale: commands, and what stages read, write and print
    "TQDM_MININTERVAL": "1",
    "TQDM_NCOLS": "80",
}


SPARE_SECONDS = 30
"""How long a process may take beyond the grace of its stage, to record what had ended."""


class ReproduceProcess:
    """Reproduces one stage at a time, in a process session of its own.

    Stages find the Python of this project first on their PATH.
    """

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        path = [os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]
        self._popen = subprocess.Popen(
            # -P: the project may have a package of the same name
            [sys.executable, "-P", "-m", f"{__package__}.reproduce"],
            cwd=root,
            env=os.environ | ENVIRONMENT | dict(environment) | {"PATH": os.pathsep.join(path)},
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.session = self._popen.pid
        self._ending = False
        self._kill: threading.Timer | None = None

    @property
    def usable(self) -> bool:
        """Whether it can take another stage."""
        return not self._ending and self._popen.poll() is None

    def reproduce(self, request: Mapping[str, Any], output: Output) -> dict[str, Any]:
        """Send `request` and wait for the end of its stage; returns `status` and `entry`."""
        assert self._popen.stdin
        assert self._popen.stdout
        with suppress(BrokenPipeError, ValueError):  # it was killed, or asked to end
            self._popen.stdin.write(json.dumps(request).encode() + b"\n")
            self._popen.stdin.flush()
        for line in self._popen.stdout:
            if not line.endswith(b"\n"):  # it was killed while it wrote
                break
            event = json.loads(line)
            if "status" in event:
                return dict(event)
            output.feed(event["output"])
        code = self._popen.wait()
        processes.end(self.session, 0)  # what the killed process left
        output.line(f"the process that ran the stage ended with {_name(code)}")
        return {"status": "failed"}

    def end(self, grace: float) -> None:
        """End it and its stage, without waiting: it sends SIGTERM, and SIGKILL after `grace`."""
        self._ending = True
        self._close_input()
        after = grace + SPARE_SECONDS if grace else 0
        self._kill = threading.Timer(after, processes.end, (self.session, 0))
        self._kill.daemon = True  # the driver does not wait for it
        self._kill.start()

    def close(self) -> None:
        """Give it no more stages, and wait for its end."""
        self._close_input()
        self._popen.wait()
        if self._kill:
            self._kill.cancel()  # the number of the session may be used again

    def _close_input(self) -> None:
        assert self._popen.stdin
        with suppress(BrokenPipeError):
            self._popen.stdin.close()


def _name(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
