"""Cgroups are folders written as the kernel writes them; the affinity is a real one."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gpt1.machine import cores, memory, processor

ROOT = Path(__file__).parents[2]
HERE = len(os.sched_getaffinity(0))
TOTAL = psutil.virtual_memory().total
UNLIMITED_V1 = "9223372036854771712\n"


def machine(root: Path, cgroup: str, files: dict[str, str]) -> Path:
    for name, text in {"proc/self/cgroup": cgroup, **files}.items():
        path = root / (name if name.startswith("proc/") else f"sys/fs/cgroup/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V1 = "4:memory:/docker/5f\n3:cpu,cpuacct:/docker/5f\n1:name=systemd:/docker/5f\n0::/system.slice\n"
LAYOUTS = {
    "version 2, a container that sees its own cgroup as the top": (
        "0::/\n",
        {"cpu.max": "100000 100000\n", "memory.max": "1048576\n"},
    ),
    "version 2, a job below a limited slice": (
        "0::/a.slice/job/step\n",
        {
            "a.slice/cpu.max": "50000 50000\n",
            "a.slice/memory.max": "1048576\n",
            "a.slice/job/step/cpu.max": "max 100000\n",
            "a.slice/job/step/memory.max": "max\n",
        },
    ),
    "version 1, a container with the host's path and its own folder on top": (
        V1,
        {
            "cpu/cpu.cfs_quota_us": "100000\n",
            "cpu/cpu.cfs_period_us": "100000\n",
            "memory/memory.limit_in_bytes": "1048576\n",
        },
    ),
    "version 1, nested": (
        V1,
        {
            "cpu/cpu.cfs_quota_us": "-1\n",
            "cpu/cpu.cfs_period_us": "100000\n",
            "cpu/docker/5f/cpu.cfs_quota_us": "30000\n",
            "cpu/docker/5f/cpu.cfs_period_us": "100000\n",
            "memory/memory.limit_in_bytes": UNLIMITED_V1,
            "memory/docker/memory.limit_in_bytes": "1048576\n",
            "memory/docker/5f/memory.limit_in_bytes": UNLIMITED_V1,
        },
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_tightest_cgroup_around_the_process_is_the_limit(tmp_path: Path, layout: str) -> None:
    root = machine(tmp_path, *LAYOUTS[layout])
    assert (cores(root), memory(root)) == (1, 1048576)


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n", "memory.max": "max\n"}),
        ("0::/\n", {}),
        (
            V1,
            {
                "cpu/cpu.cfs_quota_us": "-1\n",
                "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": UNLIMITED_V1,
            },
        ),
    ],
)
def test_without_a_limit_the_machine_is_the_limit(
    tmp_path: Path, cgroup: str, files: dict[str, str]
) -> None:
    root = machine(tmp_path, cgroup, files)
    assert (cores(root), memory(root)) == (HERE, TOTAL)


def test_another_job_on_the_machine_limits_nothing_here(tmp_path: Path) -> None:
    files = {"mine/memory.max": "max\n", "other/memory.max": "4096\n", "other/cpu.max": "1 10\n"}
    root = machine(tmp_path, "0::/mine\n", files)
    assert (cores(root), memory(root)) == (HERE, TOTAL)


def test_a_part_of_a_core_is_a_core(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/\n", {"cpu.max": f"{10**5 * HERE - 50_000} 100000\n"})
    assert cores(root) == HERE


def test_where_there_are_no_cgroups_the_machine_is_the_limit(tmp_path: Path) -> None:
    assert (cores(tmp_path), memory(tmp_path)) == (HERE, TOTAL)


def test_a_process_bound_to_one_core_starts_one_worker_and_one_thread() -> None:
    script = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
import torch
from gpt1.device import use_cores
from gpt1.machine import cores
from gpt1.workers import ordered_map
torch.set_num_threads(8)
use_cores()
pids = set(ordered_map(lambda _: os.getpid(), range(8), 10**9))  # others could not take a lambda
print(cores(), torch.get_num_threads(), pids == {os.getpid()})
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "1", "True"]


X86 = (
    "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 1\nmodel name\t: AMD EPYC 9554 64-Core\n"
)
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n"


@pytest.mark.parametrize(
    ("text", "name"), [(X86, "AMD EPYC 9554 64-Core"), (ARM, platform.machine())]
)
def test_a_processor_has_the_name_that_linux_gives_or_that_of_its_architecture(
    tmp_path: Path, text: str, name: str
) -> None:
    assert processor(machine(tmp_path, "", {"proc/cpuinfo": text})) == name
    assert processor(tmp_path / "no Linux") == platform.machine()
