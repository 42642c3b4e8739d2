"""The `GPT1_*` environment variables. They place the work; they never mark a stage as changed.

The one exception is GPT1_RESUME, by which people continue what should have begun anew.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from gpt1.errors import UserError


@dataclass(frozen=True)
class Environment:
    """Devices, processes and addresses. Results agree across them only to a tolerance."""

    device: str = ""
    """GPT1_DEVICE: `cpu`, `cuda` or `cuda:1`. Empty: the first accelerator that computes, else the
    CPU. A stage ends where the named one does not compute."""
    nproc: int = 1
    """GPT1_NPROC: training processes on this machine."""
    dask: str = ""
    """GPT1_DASK: address of a Dask scheduler for the text stages. Empty: local processes."""
    workers: int = 0
    """GPT1_WORKERS: local processes of the text stages. 0: one for each core that this process may
    use."""
    tracking: str = ""
    """GPT1_TRACKING: address of an MLflow server. Empty: a database inside the project."""
    parent_run: str = ""
    """GPT1_PARENT_RUN: ID of the MLflow run of the whole pipeline; the flow sets it."""
    recorder: str = ""
    """GPT1_RECORDER: the socket of the driver that records its stages in MLflow; the flow sets it.
    Empty: a stage records itself."""
    resume: str = ""
    """GPT1_RESUME: `changed` lets a pretraining continue from a state of other conditions: code,
    threads, learning rate and others. `skip` does so, too, and leaves out the update it resumes at,
    should its loss not be finite. Such a result is no function of deps and params, and its metrics
    say so."""
    profile: str = ""
    """GPT1_PROFILE: a folder for profiles: a training writes a trace of three of its updates, after
    the first ones since it started. Empty: none."""
    continued: str = ""
    """GPT1_CONTINUED: a file that a stage makes when its result is no function of deps and params;
    the flow sets it, and keeps such a result out of DVC's run cache."""
    params: str = ""
    """GPT1_PARAMS: what a stage reads in place of `params.yaml`: a copy of it as it was when the
    stage started; the flow sets it."""
    workspace: str = ""
    """GPT1_WORKSPACE: the clone in which a worker runs stages; `gpt1 work` sets it."""

    @classmethod
    def read(cls) -> "Environment":
        """Read the variables; unset and empty ones take the default. Raises UserError."""
        values: dict[str, Any] = {}
        for name, kind in get_type_hints(cls).items():
            variable = f"GPT1_{name.upper()}"
            text = os.environ.get(variable)
            try:
                values |= {name: kind(text)} if text else {}
            except ValueError:
                raise UserError(f"{variable}={text}: must be a whole number") from None
        if values.get("nproc", 1) < 1 or values.get("workers", 0) < 0:
            raise UserError("GPT1_NPROC must be 1 or more, GPT1_WORKERS 0 or more")
        if values.get("resume", "changed") not in {"changed", "skip"}:
            raise UserError(f"GPT1_RESUME={values['resume']}: must be `changed` or `skip`")
        if fault := _no_folder(values.get("profile", "")):
            raise UserError(f"GPT1_PROFILE={values['profile']}: {fault}; name another folder")
        return cls(**values)


def _no_folder(name: str) -> str:
    """Why the folder `name` cannot be written, nor made; empty where it can, or for no name."""
    if not name:
        return ""
    path = Path(name).absolute()
    there = next(each for each in (path, *path.parents) if os.path.exists(each))
    if not there.is_dir():
        return f"{there} is a file"
    return "" if os.access(there, os.W_OK | os.X_OK) else f"{there} cannot be written"
