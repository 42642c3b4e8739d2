"""torch.compile, where its compilers work."""

import sys

import torch
from torch import nn

from gpt1.model.kernels import TokenLosses
from gpt1.model.transformer import Block


def compile_parts(model: nn.Module) -> None:
    """Compile each block of a model on an accelerator, and its loss, in place.

    A line says where that does not work. Compiled once and used for every layer, a block takes
    seconds, the whole network a minute; only the embeddings and their dropout are left out. The
    gradients of a block are ready before those of the next, and processes sum them meanwhile. On a
    CPU the forms in `gpt1.model.kernels.cpu` are as fast uncompiled (0.96 to 1.04 times), and
    PyTorch 2.13 makes NaN of them in bf16.
    """
    device = next(model.parameters()).device
    if device.type == "cpu":
        return
    if fault := compiler_fault(device):
        print(
            "warning: compile: true needs a compiler that works, and Python's headers "
            f"({fault}); going on uncompiled",
            file=sys.stderr,
        )
        return
    for module in model.modules():
        if isinstance(module, Block | TokenLosses):
            module.compile()


def compiler_fault(device: torch.device) -> str:
    """Why nothing compiles for `device`, in one line; empty where it does.

    It takes g++ (CXX) on the CPU, Triton and gcc (CC) on CUDA, and Python's headers on both; a
    compiler that is there may still fail. So one operation is compiled and run.
    """
    try:
        torch.compile(torch.neg)(torch.ones(8, device=device))
    except Exception as error:
        lines = str(error).splitlines()
        return next((line.strip() for line in lines if "error:" in line), lines[0])
    return ""
