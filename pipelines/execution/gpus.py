"""The GPUs of this machine, each assigned to one stage at a time."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gpt1.environment import Environment

VISIBLE = "CUDA_VISIBLE_DEVICES"


def here() -> list[str]:
    """Their names: what CUDA_VISIBLE_DEVICES says, else a number for each that the system has.

    GPT1_DEVICE leaves the one it names, or none.
    """
    if device := Environment.read().device:
        return [] if device == "cpu" else [device]
    if VISIBLE in os.environ:
        return [name for name in os.environ[VISIBLE].split(",") if name]
    return [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]


class Lender:
    """Lends GPUs, so that two stages side by side do not both take the first one."""

    def __init__(self) -> None:
        self._free = here()
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, count: int) -> Iterator[dict[str, str]]:
        """The environment of a stage that asks for `count`; of fewer where fewer are free."""
        with self._lock:
            taken, self._free = self._free[:count], self._free[count:]
        try:
            named = Environment.read().device  # the stage finds it by that
            yield {VISIBLE: ",".join(taken)} if taken and not named else {}
        finally:
            with self._lock:
                self._free = taken + self._free
