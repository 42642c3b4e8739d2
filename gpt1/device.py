"""Where the tensors live."""

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor

from gpt1.environment import Environment
from gpt1.errors import UserError
from gpt1.machine import cores, memory, processor


def device() -> torch.device:
    """GPT1_DEVICE, else the first accelerator that computes, else the CPU.

    Of several processes on a machine, each has the accelerator of its LOCAL_RANK. Where this build
    of torch is for an accelerator and none computes, one line on stderr says why. Raises UserError
    where GPT1_DEVICE does not compute, and where a process has no accelerator while others may.
    """
    return _device(Environment.read().device, os.environ.get("LOCAL_RANK", ""))


def computing() -> list[str]:
    """Every accelerator that computes: `cuda:0`, `cuda:1`. Creates a context on each of them."""
    return [name for name, fault in tried() if not fault]


def send(tensor: Tensor, place: torch.device) -> Tensor:
    """The tensor on a device; of one on the CPU a copy that the host does not wait for."""
    if place.type in {"cpu", "mps"}:
        return tensor.to(place)
    if tensor.device.type == "cpu":
        tensor = tensor.pin_memory()  # from other memory the host would wait
    return tensor.to(place, non_blocking=True)


def tokens_at_once(place: torch.device) -> int:
    """Of a batch that is scored: few stay in the caches of a CPU, many keep an accelerator busy."""
    return 1024 if place.type == "cpu" else 65_536


def use_cores() -> None:
    """For commands without a `threads` param: limit PyTorch to the cores this process may use."""
    torch.set_num_threads(min(torch.get_num_threads(), cores()))


@cache  # asks the driver, which takes a second
def hardware(device: torch.device) -> dict[str, str]:
    """What `device` is: the processor with what we may use of it, and the card with its driver."""
    found = {
        "device": str(device),
        "cpu": processor(),
        "cpu.cores": str(cores()),
        "cpu.memory": f"{memory() / 1e9:.0f} GB",
        "version.torch": torch.__version__,
    }
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        found |= {
            "gpu": card.name,
            "gpu.memory": f"{card.total_memory / 1e9:.0f} GB",
            "gpu.driver": nvidia_driver(),
            "version.cuda": torch.version.cuda or "",
        }
    return {name: value for name, value in found.items() if value}


def nvidia_driver() -> str:
    """The version of NVIDIA's driver; empty where `nvidia-smi` does not tell."""
    ask = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(ask, capture_output=True, check=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return next(iter(done.stdout.split()), "")  # one line for each card


@cache  # asked again for each checkpoint: try once, and say once why not
def _device(asked: str, rank: str) -> torch.device:
    if asked:
        own = asked if asked == "cpu" or ":" in asked else f"{asked}:{rank or 0}"
        if fault := _fault(own):
            raise UserError(f"GPT1_DEVICE={asked}: {fault}")
        return _taken(own)
    if rank and (count := _count()):
        kind = torch.accelerator.current_accelerator()
        fault = _fault(f"{kind}:{rank}") if int(rank) < count else f"there are only {count}"
        if fault:  # on the CPU it would wait for the others, and they for it
            raise UserError(f"no {kind}:{rank} for process {rank}: {fault}; or set GPT1_DEVICE=cpu")
        return _taken(f"{kind}:{rank}")
    faults = []
    for name, fault in tried():
        if not fault:
            return _taken(name)
        faults.append(fault)
    if faults and rank in {"", "0"}:
        print(
            f"warning: going on with the CPU: {'; '.join(dict.fromkeys(faults))} "
            "(GPT1_DEVICE=cpu leaves out this line)",
            file=sys.stderr,
        )
    return torch.device("cpu")


def tried() -> Iterator[tuple[str, str]]:
    """The name of each accelerator, and its fault; one at least where torch is built for some."""
    if kind := torch.accelerator.current_accelerator():
        for index in range(max(_count(), 1)):
            yield f"{kind}:{index}", _fault(f"{kind}:{index}")


def _count() -> int:
    with warnings.catch_warnings(action="ignore"):
        return torch.accelerator.device_count()


def _fault(name: str) -> str:
    """Why the device does not compute; empty where it does.

    A device that is counted may still have no kernels or no memory, so this multiplies two matrices
    and reads the result.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # torch adds paragraphs of its own
            ones = torch.ones(2, 2, device=name)
            found = (ones @ ones).sum().item()
    except Exception as error:
        return reason(str(error))
    return "" if found == 8 else "it computes wrong numbers"


def _taken(name: str) -> torch.device:
    """The device, from now on the one that torch means where no number is given.

    On an NVIDIA card, products of fp32 matrices are computed in TF32 from now on: 8 times as fast
    on an H100's data sheet, with factors of 10 bits, which is more than bf16 has.
    """
    found = torch.device(name)
    if found.type != "cpu":
        torch.accelerator.set_device_index(found.index)
        torch.set_float32_matmul_precision("high")
    return found


def reason(text: str) -> str:
    """What torch says of a device that does not compute, in one line with the way out."""
    for said, ours in REASONS.items():
        if found := re.search(said, text):
            return ours.format(*map(int, found.groups()), torch=torch)
    return text.strip().split("\n")[0].split(". ")[0]


REASONS = {
    r"Found no NVIDIA driver": "there is no NVIDIA driver; a card needs one, and a container to be "
    "started with --gpus all",
    r"driver on your system is too old \(found version (\d+)0(\d)0\)": "the NVIDIA driver is for "
    "CUDA {0}.{1}, and torch {torch.__version__} for {torch.version.cuda}; update the driver, or "
    "install an older build of torch (pytorch.org)",
    r"No CUDA GPUs are available": "no NVIDIA card is visible; see CUDA_VISIBLE_DEVICES and "
    "`nvidia-smi -L`",
    r"no kernel image": "torch {torch.__version__} has no kernels for a card of this age; install "
    "a build that has (pytorch.org), or name another card in GPT1_DEVICE",
    r"out of memory|ALLOC_FAILED": "other processes use the memory of the card; `nvidia-smi` "
    "names them, or name another card in GPT1_DEVICE",
    r"busy or unavailable": "another process has the card to itself; `nvidia-smi` names it, or "
    "name another card in GPT1_DEVICE",
    r"invalid device ordinal": "no card has this number; `nvidia-smi -L` lists them",
    r"driver initialization failed|CUDA unknown error|unsupported display driver": "the NVIDIA "
    "driver does not start; see whether `nvidia-smi` does, and restart the machine after an update",
    r"not compiled with|Could not run": "torch {torch.__version__} is a build without it; "
    "pytorch.org has others",
    r"device string|No module named": "unknown device; give one such as cpu, cuda or cuda:1",
}
"""Texts of torch 2.13 and of the CUDA runtime in it."""
