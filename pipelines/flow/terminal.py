"""The terminal while stages run: their lines, and one live line for each running stage."""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipelines.execution.executor import Outcome

EVERY = 10
"""Seconds between two printed states of a progress bar when the output is no terminal."""

STYLES = {"ran": "green", "restored": "blue", "failed": "red bold", "cancelled": "yellow"}


class StandardOutput:
    """Standard output until it cannot be written, then the null device: no run ends by it.

    The reader of a pipe may end (`gpt1 run | head`), a terminal hang up, a disk be full.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stdout, name)

    def write(self, text: str) -> int:
        return self._attempt(sys.stdout.write, text) or len(text)

    def flush(self) -> None:
        self._attempt(sys.stdout.flush)

    def _attempt(self, action: Callable[..., Any], *values: Any) -> Any:
        try:
            return action(*values)
        except UnicodeEncodeError:  # a terminal that is set to Latin-1, or to nothing
            plain = [value.encode("ascii", "replace").decode() for value in values]
            return self._attempt(action, *plain)
        except OSError:
            with open(os.devnull, "w") as null:
                os.dup2(null.fileno(), sys.stdout.fileno())


class Terminal:
    """A listener of executors; its methods may be called from any thread."""

    def __init__(self, console: Console | None = None) -> None:
        output = cast(TextIO, StandardOutput())
        self.console = console or Console(file=output, highlight=False, soft_wrap=True)
        self._lock = threading.Lock()
        self._bars: dict[str, str] = {}
        self._shown: dict[str, float] = {}
        self._live = Live(console=self.console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "Terminal":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def started(self, stage: str) -> None:
        with self._lock:
            self._bars[stage] = ""
            self._draw()

    def ended(self, stage: str, outcome: Outcome) -> None:
        with self._lock:
            self._bars.pop(stage, None)
            self._draw()
        self._print(stage, f"{outcome.status}, {outcome.seconds:.1f} s", STYLES.get(outcome.status))

    def line(self, stage: str, text: str) -> None:
        self._print(stage, text)

    def progress(self, stage: str, text: str) -> None:
        with self._lock:
            self._bars[stage] = text
            self._draw()
        now = time.monotonic()
        if not self.console.is_terminal and now - self._shown.get(stage, now - EVERY) >= EVERY:
            self._shown[stage] = now
            self._print(stage, text)

    def failures(self, outcomes: dict[str, Outcome]) -> None:
        """Print each failed stage's last lines, its log file, and the command that resumes."""
        for stage, outcome in outcomes.items():
            if outcome.status == "failed":
                self.console.rule(Text(f"{stage} failed", "red"))
                for line in outcome.tail:
                    self.console.print(Text(line))
                if outcome.log:
                    self.console.print(Text(f"whole output: {outcome.log}"))
                self.console.print(Text("to resume:    gpt1 run"))

    def _print(self, stage: str, text: str, style: str | None = None) -> None:
        self.console.print(Text.assemble((f"{stage}  ", "cyan"), (text, style or "")))

    def _draw(self) -> None:
        table = Table.grid(padding=(0, 2))
        for stage, bar in self._bars.items():
            table.add_row(Text(stage, "cyan"), Text(bar or "running", no_wrap=True))
        self._live.update(table)
