"""The interface of what runs stages: here, or on workers of other machines."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from pipelines.execution.lockfile import Entry
from pipelines.graph.graph import Stage

Status = Literal["ran", "restored", "unchanged", "failed", "cancelled", "skipped"]
"""`restored`: DVC had the outputs in its cache. `skipped`: an upstream stage failed."""
TAIL = 12
"""How many of a stage's last lines its outcome keeps."""


@dataclass(frozen=True)
class Outcome:
    """How a stage ended."""

    status: Status
    seconds: float = 0.0
    log: Path | None = None
    """The file with the whole output of the stage."""
    tail: list[str] = field(default_factory=list)
    """The last lines of the output."""
    entry: Entry | None = None
    """The entry of the stage in `dvc.lock`."""

    @property
    def good(self) -> bool:
        return self.status in {"ran", "restored", "unchanged"}


class Listener(Protocol):
    """Receives the output of a stage while it runs."""

    def line(self, stage: str, text: str) -> None: ...

    def progress(self, stage: str, text: str) -> None:
        """Called with each new state of a progress bar."""


class Executor(Protocol):
    """Runs stages; `pipelines.execution.local` and `pipelines.flow.pools` have one each.

    Methods may be called from any thread. An executor reports to nobody but the listener: Prefect,
    MLflow and the terminal are told by the flow. A listener that fails changes no outcome.
    """

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called; no stage starts after that."""

    def run(self, stage: Stage, listener: Listener) -> Outcome:
        """Run `stage` and wait for its end."""

    def cancel(self, at_once: bool = False) -> None:
        """End every running stage, after its grace period or at once. Does not wait."""

    def close(self) -> None:
        """Write what is still to be written to `dvc.lock`, and end idle processes."""
