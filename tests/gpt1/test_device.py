"""PyTorch itself says what is here: real builds, real CUDA runtime, no card.

On a build for the CPU, a backend that is registered with PyTorch and has no kernels stands for a
device that is there and does not compute. On a build for CUDA, the real runtime loads a driver of a
few lines, and fails as it does over a real one. Both kinds of build have tests the other skips:
`python -m pytest tests/gpt1/test_device.py` in an environment with PyPI's torch runs the rest.
"""

import ctypes
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from gpt1.device import device, hardware, nvidia_driver, reason
from gpt1.errors import UserError
from pipelines.cli import app

ROOT = Path(__file__).parents[2]
SHOW = "from gpt1.device import *; print(device(), device(), *computing())"
on_cuda_build = pytest.mark.skipif(
    torch.version.cuda is None, reason="this torch is a build for the CPU"
)
without_a_card = pytest.mark.skipif(
    torch.accelerator.is_available(), reason="an accelerator computes here"
)

BACKEND = """
import torch
from torch.utils import backend_registration as registration
class Module(registration._DummyBackendModule):
    def device_count(self): return COUNT
registration._setup_privateuseone_for_python_backend("hollow", Module())
"""
ONLY_THE_LAST = """
library = torch.library.Library("aten", "IMPL")
def empty(size, dtype=None, layout=None, device=None, pin_memory=None, memory_format=None):
    global number
    number = device.index
    return torch._C._acc.create_empty_tensor(size, torch.float32)
def product(left, right):
    if number == 0:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")
    return left
scalar = torch._C._acc.create_empty_tensor
library.impl("empty.memory_format", empty, "PrivateUse1")
library.impl("fill_.Scalar", lambda ones, value: ones, "PrivateUse1")
library.impl("mm", product, "PrivateUse1")
library.impl("sum", lambda product, dtype=None: scalar([], torch.float32), "PrivateUse1")
library.impl("_local_scalar_dense", lambda _: 8.0 if number == 2 else 7.0, "PrivateUse1")
"""
"""Of three devices that all hold tensors: no kernels, wrong numbers, right numbers."""


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PATH": "", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_device_that_is_there_and_does_not_compute_leaves_the_cpu_and_one_line() -> None:
    found = run(BACKEND.replace("COUNT", "1") + SHOW)
    assert found.stdout.split() == ["cpu", "cpu"], found.stderr
    assert found.stderr.count("\n") == 1
    assert found.stderr.startswith("warning: going on with the CPU: torch ")


def test_the_first_device_that_computes_is_taken_in_silence() -> None:
    found = run(BACKEND.replace("COUNT", "3") + ONLY_THE_LAST + SHOW)
    assert (found.stdout.split(), found.stderr) == (["hollow:2"] * 3, "")


def test_each_process_has_its_own_device_and_ends_where_that_one_does_not_compute() -> None:
    script = BACKEND.replace("COUNT", "3") + ONLY_THE_LAST + SHOW
    assert run(script, LOCAL_RANK="2").stdout.split() == ["hollow:2"] * 3
    assert run(script, LOCAL_RANK="2", GPT1_DEVICE="hollow").stdout.split() == ["hollow:2"] * 3
    for rank, fault in {"0": "torch .* no kernels", "1": "wrong", "3": "there are only 3"}.items():
        said = run(script, LOCAL_RANK=rank).stderr
        assert re.search(f"UserError: no hollow:{rank} .*{fault}.*=cpu\n$", said), said


def test_of_processes_on_a_machine_without_a_device_one_says_so() -> None:
    script = BACKEND.replace("COUNT", "0") + SHOW
    first, second = (run(script, LOCAL_RANK=rank) for rank in "01")
    assert first.stdout.split() == second.stdout.split() == ["cpu", "cpu"]
    assert (first.stderr.count("\n"), second.stderr) == (1, "")


@pytest.mark.skipif(
    torch.accelerator.current_accelerator() is not None, reason="torch is built for an accelerator"
)
def test_a_build_for_the_cpu_says_nothing() -> None:
    found = run(SHOW)
    assert (found.stdout.split(), found.stderr) == (["cpu", "cpu"], "")


@without_a_card
@pytest.mark.parametrize("asked", ["cuda", "cuda:1", "xpu", "mps", "nonsense", "meta"])
def test_a_device_that_is_asked_for_and_does_not_compute_is_one_line(
    monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setenv("GPT1_DEVICE", asked)
    with pytest.raises(UserError, match=f"^GPT1_DEVICE={asked}: .{{10,200}}$"):
        device()


def test_the_cpu_is_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "3")
    for asked in ("cpu", "cpu:0"):
        monkeypatch.setenv("GPT1_DEVICE", asked)
        assert device().type == "cpu"


DRIVERS = {
    "none": (None, "there is no NVIDIA driver; a card needs one"),
    "too old": ((0, 11040), f"is for CUDA 11.4, and torch .* for {torch.version.cuda}; update"),
    "no card": ((100, 99000), "no NVIDIA card is visible; see CUDA_VISIBLE_DEVICES"),
    "broken": ((999, 99000), "driver does not start"),
    "not started": ((3, 99000), "driver does not start"),
    "updated": ((803, 99000), "driver does not start"),
    "taken": ((46, 99000), "another process has the card to itself"),
    "full": ((2, 99000), "other processes use the memory of the card"),
}
"""What its cuInit answers, its version, and what is to be said of it."""


@on_cuda_build
@without_a_card
@pytest.mark.skipif(not shutil.which("gcc"), reason="there is no gcc")
@pytest.mark.parametrize("driver", DRIVERS)
def test_what_the_cuda_runtime_cannot_use_leaves_the_cpu_and_one_line(
    tmp_path: Path, driver: str
) -> None:
    answers, said = DRIVERS[driver]
    if answers:
        (tmp_path / "driver.c").write_text(
            f"int cuInit(unsigned flags) {{ return {answers[0]}; }}\n"
            f"int cuDriverGetVersion(int *version) {{ *version = {answers[1]}; return 0; }}\n"
        )
        made = ("-Wl,-soname,libcuda.so.1", "-o", "libcuda.so.1", "driver.c")
        subprocess.run(["gcc", "-shared", "-fPIC", *made], cwd=tmp_path, check=True)
    found = run(SHOW, LD_LIBRARY_PATH=str(tmp_path))
    assert found.stdout.split() == ["cpu", "cpu"], found.stderr
    assert found.stderr.count("\n") == 1, found.stderr
    assert re.match(f"warning: going on with the CPU: .*{said}", found.stderr), found.stderr


@on_cuda_build
@pytest.mark.parametrize(
    ("code", "ours"),
    [(2, "memory"), (46, "to itself"), (101, "no card has this number"), (209, "no kernels")],
)
def test_the_runtime_s_own_words_are_known(code: int, ours: str) -> None:
    runtime = ctypes.CDLL(f"libcudart.so.{torch.version.cuda.split('.')[0]}")
    runtime.cudaGetErrorString.restype = ctypes.c_char_p
    text = runtime.cudaGetErrorString(code).decode()
    assert ours in reason(f"CUDA error: {text}\nCompile with TORCH_USE_CUDA_DSA to enable ...")


def test_what_nobody_foresaw_is_said_in_torch_s_first_sentence() -> None:
    assert reason("CUDA error: unspecified launch failure\nCUDA kernel errors might be ...") == (
        "CUDA error: unspecified launch failure"
    )


def test_the_cpu_is_described_by_its_name_and_what_we_may_use_of_it() -> None:
    found = hardware(torch.device("cpu"))
    assert {*found} == {"device", "cpu", "cpu.cores", "cpu.memory", "version.torch"}
    assert int(found["cpu.cores"]) >= 1
    assert re.fullmatch(r"\d+ GB", found["cpu.memory"])


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo 570.86.15; echo 570.86.15", "570.86.15"),
        ("echo 'NVIDIA-SMI has failed because it could not communicate'; exit 9", ""),
        ("", ""),
    ],
)
def test_the_driver_s_version_is_what_nvidia_smi_says_or_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, version: str
) -> None:
    """Of two cards; over a driver that does not start; without a driver."""
    monkeypatch.setenv("PATH", str(tmp_path))
    if script:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    assert nvidia_driver() == version


@pytest.mark.parametrize(
    ("command", "loads"),
    [("generate", "gpt1.model.loading.load_model"), ("predict", "gpt1.TaskModel.load")],
)
def test_a_command_that_computes_with_a_model_asks_for_the_device(
    command: str, loads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPT1_DEVICE", "meta")
    monkeypatch.setattr(loads, lambda _: torch.nn.Module())
    done = CliRunner().invoke(app, [command, str(tmp_path), "the text"])
    assert isinstance(done.exception, UserError)
    assert str(done.exception).startswith("GPT1_DEVICE=meta: ")
