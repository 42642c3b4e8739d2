"""An MLflow run, and the connection to MLflow."""

import dataclasses
import fcntl
import importlib
import logging
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gpt1 import loopback
from gpt1.environment import Environment
from stages.tracking import comparison

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "gpt1"
FOLDER = ".mlflow"
FLUSH_SECONDS = 10
REFUSED = re.compile(r"[^\w./ :-]")
"""Characters that MLflow refuses in the name of a metric; groups of a task may have them."""
_MODELS = threading.Lock()
"""MLflow runs the code of a model in global variables when it saves it."""


class MLflowRun:
    """A `tracking.Run` that this process records.

    Values are buffered and sent together: a request costs milliseconds. What could not be sent is
    sent later, in the same order. MLflow's own asynchronous logging drops what failed, and at the
    end of a process waits for each request that fails (docs/log.md).
    """

    def __init__(
        self,
        name: str,
        tags: dict[str, str] | None = None,
        warn: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
    ) -> None:
        self._name, self._started = name, time.time_ns() // 1_000_000
        self._tags, self._warn = dict(tags or {}), warn
        self._params: dict[str, str] = {}
        self._metrics: list[tuple[str, float, int, int]] = []
        self._wait = FLUSH_SECONDS
        self._due = time.monotonic()
        self.id = ""
        """Empty until MLflow can be reached."""
        self._flush_when_due()

    def params(self, values: Any) -> None:
        self._params |= _flatten(values)
        self._flush_when_due()

    def tags(self, values: dict[str, Any]) -> None:
        self._tags |= {name: str(value) for name, value in values.items()}
        self._flush_when_due()

    def metrics(self, values: dict[str, float], step: int | None = None) -> None:
        now = time.time_ns() // 1_000_000
        self._metrics += [
            (REFUSED.sub("_", name), float(value), now, step or 0) for name, value in values.items()
        ]
        self._flush_when_due()

    def artifact(self, path: Path | str) -> None:
        if not self.id:
            return
        path = Path(path)
        log = "log_artifacts" if path.is_dir() else "log_artifact"
        folder = path.name if path.is_dir() else None
        self._try(lambda: getattr(self._client, log)(self.id, str(path), folder))

    def model(self, directory: Path | str) -> None:
        if self.id:
            self._try(lambda: self._log_model(Path(directory).resolve()))

    def _log_model(self, directory: Path) -> None:
        from mlflow import pyfunc
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model

        from stages.tracking import logged_model

        config = {
            "directory": str(directory),
            "digest": logged_model.digest(directory),
            "run": self.id,
        }
        logged = self._client.create_logged_model(
            self._experiment, directory.name, self.id, params=config
        )
        # MLflow warns of a missing signature. Without one, texts, rows and tables are accepted.
        logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)
        with _MODELS, tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model")
            pyfunc.save_model(
                str(path),
                python_model=logged_model.__file__,
                model_config=config,
                mlflow_model=Model(
                    artifact_path=logged.artifact_location,
                    run_id=self.id,
                    model_id=logged.model_id,
                    model_uuid=logged.model_id,
                ),
                pip_requirements=[],
            )
            self._client.log_model_artifacts(logged.model_id, str(path))
        self._client.finalize_logged_model(logged.model_id, "READY")
        self._client.log_outputs(self.id, [LoggedModelOutput(logged.model_id, 0)])

    def end(self, status: str) -> None:
        if not self.id:
            return
        self._try(self._flush)
        self._try(lambda: self._client.set_terminated(self.id, status))

    def _flush_when_due(self) -> None:
        # Of several processes, only rank 0 records.
        if time.monotonic() >= self._due and os.environ.get("RANK", "0") == "0":
            self._try(self._flush)

    def _flush(self) -> None:
        from mlflow.entities import Metric, Param, RunTag

        if not self.id:
            self._client, self._experiment = connect(Path.cwd(), Environment.read().tracking)
            self.id = self._client.create_run(
                self._experiment, self._started, self._tags, self._name
            ).info.run_id
            self._tags = {}
        self._client.log_batch(
            self.id,
            metrics=[Metric(*metric) for metric in self._metrics],
            params=[Param(name, value) for name, value in self._params.items()],
            tags=[RunTag(name, value) for name, value in self._tags.items()],
        )
        self._tags, self._params, self._metrics = {}, {}, []
        self._due = time.monotonic() + self._wait

    def _try(self, send: Callable[[], None]) -> None:
        """Call `send`. If it fails, values stay buffered and are retried with exponential back-off.

        Only the first failure warns.
        """
        try:
            send()
        except Exception as error:  # MLflow, its database and the network raise many kinds
            if self._wait == FLUSH_SECONDS:
                reason = str(error).strip().splitlines() or [type(error).__name__]
                self._warn(f"warning: MLflow does not record this stage for now: {reason[0]}")
            self._wait *= 2
            self._due = time.monotonic() + self._wait


def connect(root: Path, address: str = "") -> tuple["MlflowClient", str]:
    """A client and the id of the experiment, which is created where it is missing.

    Without `address` the database is in `.mlflow/` below `root`. The first connection creates the
    database's tables. Two processes must not do that at once, hence the lock.
    """
    os.environ |= loopback.direct()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines a run
    from mlflow import MlflowClient

    if address:
        return (client := MlflowClient(address)), _experiment(client)
    importlib.import_module("mlflow.store.tracking.sqlalchemy_store")  # a second, before the lock
    folder = root.resolve() / FOLDER
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        client = MlflowClient(database(root))
        return client, _experiment(client, (folder / "artifacts").as_uri())


def _experiment(client: "MlflowClient", artifacts: str | None = None) -> str:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment:
        return str(experiment.experiment_id)
    view = {comparison.TAG: comparison.view("none yet")}
    return str(client.create_experiment(EXPERIMENT, artifacts, view))


def database(root: Path) -> str:
    """The address of the project's own MLflow database.

    SQLAlchemy decodes the path of an address, and a `?` would end it. Where the driver is named,
    MLflow does not create the folder of that path before it is decoded.
    """
    return f"sqlite+pysqlite:///{quote(str(root.resolve() / FOLDER / 'mlflow.db'))}"


def _flatten(values: Any, prefix: str = "") -> dict[str, str]:
    if dataclasses.is_dataclass(values) and not isinstance(values, type):
        values = dataclasses.asdict(values)
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = str(value)
    return flat
