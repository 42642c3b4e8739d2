"""torch.compile, where its compilers work."""

import sys

import torch
from torch import nn

from gpt1.model.transformer import Block


def compile_blocks(model: nn.Module) -> None:
    """Compile each block of `model` in place; say so in one line where that does not work.

    Compiled once and used for every layer, a block takes seconds, the whole network a minute.
    """
    if fault := _fault(next(model.parameters()).device):
        print(
            "warning: compile: true needs a compiler that works, and Python's headers "
            f"({fault}); going on uncompiled",
            file=sys.stderr,
        )
        return
    for module in model.modules():
        if isinstance(module, Block):
            module.compile()


def _fault(device: torch.device) -> str:
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
