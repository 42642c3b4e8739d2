"""Every `GPT1_*` variable: what only places the work, and never marks a stage as changed."""

import os
from dataclasses import dataclass
from typing import Any, get_type_hints

from gpt1.errors import UserError


@dataclass(frozen=True)
class Environment:
    """Where the work is done. Results agree across devices and process counts to a tolerance."""

    device: str = ""
    """GPT1_DEVICE: `cpu`, `cuda`, `cuda:1`; empty: the first accelerator that computes, else the
    CPU. One that is named and does not compute ends the stage."""
    nproc: int = 1
    """GPT1_NPROC: training processes on this machine."""
    dask: str = ""
    """GPT1_DASK: the address of a Dask scheduler for the text stages; empty: local processes."""
    workers: int = 0
    """GPT1_WORKERS: local processes of the text stages; 0: one for each core that
    this one may use."""
    tracking: str = ""
    """GPT1_TRACKING: the address of an MLflow server; empty: a database inside the project."""
    parent_run: str = ""
    """GPT1_PARENT_RUN: the MLflow run of the whole pipeline, set by the flow."""

    workspace: str = ""
    """GPT1_WORKSPACE: the clone that a worker of other machines works in, set by `gpt1 work`."""

    @classmethod
    def read(cls) -> "Environment":
        """The variables as they stand now. Raises UserError for a number that is none."""
        found = {name: os.environ.get(f"GPT1_{name.upper()}") for name in cls.__annotations__}
        kinds: dict[str, type] = get_type_hints(cls)
        values: dict[str, Any] = {}
        for name, text in found.items():
            try:
                values |= {name: kinds[name](text)} if text else {}
            except ValueError:
                raise UserError(f"GPT1_{name.upper()}={text}: give a whole number") from None
        if values.get("nproc", 1) < 1 or values.get("workers", 0) < 0:
            raise UserError("GPT1_NPROC must be 1 or more, GPT1_WORKERS 0 or more")
        return cls(**values)
