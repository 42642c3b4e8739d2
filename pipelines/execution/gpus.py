"""The GPUs of this machine, assigned to stages."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache

from gpt1.environment import Environment

VISIBLE = "CUDA_VISIBLE_DEVICES"


def here() -> list[str]:
    """The GPUs that compute, by their names for CUDA_VISIBLE_DEVICES.

    With GPT1_DEVICE the one that it names, or none if that is the CPU.
    """
    if device := Environment.read().device:
        return [] if device == "cpu" else [device]
    visible = os.environ.get(VISIBLE)
    return named(_computing(visible), visible)


def named(computing: list[str], visible: str | None) -> list[str]:
    """The names for CUDA_VISIBLE_DEVICES of PyTorch's devices `computing`, such as `cuda:0`.

    `visible` is the variable now. Of the parts of a divided card (MIG) CUDA shows a process only
    one, but each part in `visible` can be lent. The variable does not select accelerators of other
    kinds: together they count as one.
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
    """PyTorch's devices that compute, asked in a process that ends: it leaves no CUDA context.

    It takes seconds, hence the cache by CUDA_VISIBLE_DEVICES.
    """
    ask = "from gpt1.device import computing; print(*computing())"
    done = subprocess.run([sys.executable, "-c", ask], stdout=subprocess.PIPE, check=False)
    return done.stdout.decode().split()


class Lender:
    """Lends GPUs, and shares of one, to stages: by themselves, all stages would take the first."""

    def __init__(self, names: list[str] | None = None) -> None:
        """`names`: the GPUs to lend; default: `here()`, asked when a stage needs one."""
        self._used = None if names is None else dict.fromkeys(names, Fraction())
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, count: float) -> Iterator[dict[str, str]]:
        """Yields the environment of a stage that needs `count`, with fewer if fewer are free.

        A share below 1 is of the fullest GPU that has room for it.
        """
        if not count:
            yield {}
            return
        share = Fraction(str(count)) if count < 1 else Fraction(1)
        with self._lock:
            if self._used is None:
                self._used = dict.fromkeys(here(), Fraction())
            used = self._used
            room = sorted((n for n in used if used[n] + share <= 1), key=lambda n: -used[n])
            taken = room[: max(1, int(count))]
            for name in taken:
                used[name] += share
        try:
            asked = Environment.read().device  # by which the stage finds its device
            yield {VISIBLE: ",".join(taken)} if taken and not asked else {}
        finally:
            with self._lock:
                for name in taken:
                    used[name] -= share
