"""Record a stage as an MLflow run.

    with tracking.run() as run:
        run.params(params)
        run.metrics({"valid/loss": 3.2}, step=100)
        run.artifact(path)

The driver of a pipeline records its stages (`driver`); a stage of its own, as with plain
`dvc repro`, records itself. A stage never fails because of MLflow: when it cannot be reached, the
stage prints one warning and goes on without it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from gpt1.environment import Environment

LIBRARIES = ("torch", "numpy", "tokenizers", "spacy", "ftfy", "pyarrow", "pandas")


class Run(Protocol):
    """One MLflow run."""

    def params(self, values: Any) -> None:
        """Record a dataclass or a dict; nested values get dotted names."""

    def tags(self, values: dict[str, Any]) -> None:
        """Record tags, by which runs are found and grouped."""

    def metrics(self, values: dict[str, float], step: int | None = None) -> None:
        """Record numbers by name, with `step` where they form a curve."""

    def artifact(self, path: Path | str) -> None:
        """Copy a small file or folder to the run."""

    def model(self, directory: Path | str) -> None:
        """Log the fine-tuned model in `directory` as code that loads it from there; no copy."""

    def end(self, status: str) -> None:
        """Send what is buffered and set the status: FINISHED, FAILED or KILLED."""


@contextmanager
def run() -> Iterator[Run]:
    """Record this stage as an MLflow run of the stage's name, below GPT1_PARENT_RUN if set.

    The run's status is FINISHED, FAILED when the block raises, or KILLED on an interrupt or exit.
    """
    stage = os.environ.get("DVC_STAGE") or Path(sys.argv[0]).stem
    tags = {"stage": stage, "mlflow.source.name": stage} | git_tags()
    if parent := Environment.read().parent_run:
        tags["mlflow.parentRunId"] = parent
    record = _begin(stage, tags)
    status = "FAILED"
    try:
        yield record
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        with suppress(Exception):  # a device may be at fault
            record.tags(_environment_tags())
        record.end(status)


def _begin(name: str, tags: dict[str, str]) -> Run:
    if recorder := Environment.read().recorder:
        from stages.tracking.driver import DriverRun

        with suppress(OSError):
            return DriverRun(recorder, name, tags)
    from stages.tracking.mlflow_run import MLflowRun

    return MLflowRun(name, tags)


def git_tags() -> dict[str, str]:
    """The git commit, and whether tracked files other than dvc.lock differ; {} without git."""
    try:
        commit, changes = (
            subprocess.run(
                ["git", *command], capture_output=True, check=True, text=True
            ).stdout.strip()
            for command in (
                ["rev-parse", "HEAD"],
                ["status", "--porcelain", "--untracked-files=no"],
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return {}
    changed = [line for line in changes.splitlines() if not line.endswith("dvc.lock")]
    return {"mlflow.source.git.commit": commit, "git.dirty": str(bool(changed)).lower()}


def _environment_tags() -> dict[str, str]:
    """The device, and the versions of the libraries that the stage imported."""
    tags = {f"version.{name}": version(name) for name in LIBRARIES if name in sys.modules}
    if "gpt1.device" in sys.modules:  # a stage that does not use it must not initialize a GPU
        from gpt1.device import device

        tags["device"] = str(device())
    return tags
