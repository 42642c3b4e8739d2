"""What a stage prints, on its way to its log file and to a listener."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from pipelines.execution.executor import TAIL, Listener

LONGEST = 100_000
"""Characters of a line; a longer one is cut."""


class Output:
    """Splits what a stage prints into lines and states of progress bars, and passes them on.

    Neither a full disk nor a listener that fails ends the stage.
    """

    def __init__(self, stage: str, log: Path, listener: Listener, append: bool = False) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL)
        """The last lines."""
        self._stage, self._listener, self._rest = stage, listener, ""
        self._log: TextIO | None = None
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            self._log = log.open("a" if append else "w", encoding="utf-8")
        except OSError as error:
            self.line(f"no log is written: {error}")

    def feed(self, text: str) -> None:
        """Take the next piece of the output, which may be cut anywhere."""
        *lines, rest = (self._rest + text).replace("\r\n", "\n").split("\n")
        for line in lines:
            self.line(line.rpartition("\r")[2])
        if "\r" in rest:
            bar = rest.rpartition("\r")[2]
            rest = f"\r{bar}"
            if bar.strip():
                self._tell(self._listener.progress, bar)
        if len(rest) > LONGEST:
            self.line(rest)
            rest = ""
        self._rest = rest

    def line(self, text: str) -> None:
        """Pass on a whole line."""
        try:
            if self._log:
                self._log.write(f"{text}\n")
                self._log.flush()
        except OSError as error:
            self._close()
            self.line(f"the log ends here: {error}")
        if text.strip():
            self.tail.append(text)
            self._tell(self._listener.line, text)

    def close(self) -> None:
        """Pass on a last line without an end."""
        if rest := self._rest.rpartition("\r")[2].strip():
            self.line(rest)
        self._close()

    def _tell(self, listen: Callable[[str, str], None], text: str) -> None:
        with suppress(Exception):  # a terminal that is gone, a server that is away
            listen(self._stage, text)

    def _close(self) -> None:
        log, self._log = self._log, None
        with suppress(OSError):  # what it holds yet cannot be written either
            if log:
                log.close()
