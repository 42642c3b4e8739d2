"""The GPUs of this machine, lent to one stage after the other."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from gpt1.environment import Environment

VISIBLE = "CUDA_VISIBLE_DEVICES"


def here() -> list[str]:
    """Their names, as CUDA_VISIBLE_DEVICES gives them: of those that compute.

    GPT1_DEVICE leaves the one it names, or none.
    """
    if device := Environment.read().device:
        return [] if device == "cpu" else [device]
    visible = os.environ.get(VISIBLE)
    return named(_computing(visible), visible)


def named(computing: list[str], visible: str | None) -> list[str]:
    """The devices of PyTorch, such as `cuda:0`, as CUDA_VISIBLE_DEVICES names them.

    CUDA shows a process one part of a divided card (MIG), though each that is listed can be lent.
    Other kinds of accelerators are not told apart by that variable: together they are one.
    """
    listed = [name.strip() for name in visible.split(",")] if visible else []
    if not computing or not computing[0].startswith("cuda"):
        return computing[:1]
    if listed and listed[0].startswith("MIG-"):
        return listed
    numbers = [int(device.partition(":")[2]) for device in computing]
    return [listed[number] if listed else str(number) for number in numbers]


@cache
def _computing(_visible: str | None) -> list[str]:
    """Asked of PyTorch in a process that ends, in the seconds of one import and with no context."""
    ask = "from gpt1.device import computing; print(*computing())"
    done = subprocess.run([sys.executable, "-c", ask], stdout=subprocess.PIPE, check=False)
    return done.stdout.decode().split()


class Lender:
    """Lends GPUs, so that two stages side by side do not both take the first one."""

    def __init__(self, names: list[str] | None = None) -> None:
        """`names`: what there is to lend; without, what is here once a stage asks."""
        self._free = names
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, count: int) -> Iterator[dict[str, str]]:
        """The environment of a stage that asks for `count`; of fewer where fewer are free."""
        if not count:
            yield {}
            return
        with self._lock:
            free = here() if self._free is None else self._free
            taken, self._free = free[:count], free[count:]
        try:
            asked = Environment.read().device  # the stage finds it by that
            yield {VISIBLE: ",".join(taken)} if taken and not asked else {}
        finally:
            with self._lock:
                self._free = taken + self._free
