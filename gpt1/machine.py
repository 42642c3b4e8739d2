"""The processor, and the cores and memory that this process may use: affinity, cgroups."""

import math
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil

ROOT = Path("/")


def cores(root: Path = ROOT) -> int:
    """Cores that this process may keep busy, by its affinity and by the CPU quota of its cgroups.

    `os.cpu_count()` counts those of the host, and PyTorch heeds the affinity alone.
    `joblib.cpu_count()` reads the topmost cgroup and takes 0.2 s to import.
    """
    everywhere = range(os.cpu_count() or 1)
    bound = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else everywhere
    quotas = _limits(root, "cpu", "cpu.max"), _limits(root, "cpu", *QUOTA_V1)
    shares = [allowed / period for found in quotas for allowed, period in found]
    return max(1, math.ceil(min([len(bound), *shares])))


def memory(root: Path = ROOT) -> float:
    """Bytes that this process may use, by the machine and by the limits of its cgroups."""
    limits = *_limits(root, "memory", "memory.max"), *_limits(root, "memory", MEMORY_V1)
    return min([psutil.virtual_memory().total, *(limit for (limit,) in limits)])


def processor(root: Path = ROOT) -> str:
    """The name of the processor; of one that Linux gives none, as on ARM, its architecture."""
    try:
        text = (root / "proc/cpuinfo").read_text()
    except OSError:  # no Linux
        text = ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return named[1].strip() if named else platform.machine()


QUOTA_V1 = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
MEMORY_V1 = "memory.limit_in_bytes"


def _limits(root: Path, controller: str, *files: str) -> Iterator[list[float]]:
    """The numbers in `files`, for each cgroup that has them; `max` and -1 are no limit."""
    for group in _groups(root, controller):
        try:
            words = " ".join((group / file).read_text() for file in files).split()
        except OSError:
            continue
        yield [math.inf if word in {"max", "-1"} else float(word) for word in words]


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of the cgroups (versions 1 and 2) around this process, its own first.

    In a container the path in /proc may be the host's, with no such folder; the topmost one is then
    the container's own.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / (controller if controllers else "")
        own = PurePosixPath(path).relative_to("/")
        yield from (top / group for group in (own, *own.parents))
