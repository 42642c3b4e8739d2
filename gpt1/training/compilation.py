"""torch.compile, where its compilers work."""

import sys

import torch
from torch import nn

from gpt1.model.kernels import TokenLosses
from gpt1.model.transformer import Block


def compile_parts(model: nn.Module) -> None:
    """Compile each block of `model` and its loss in place; a line says where that does not work.

    Compiled once and used for every layer, a block takes seconds, the whole network a minute. All
    but the embeddings and their dropout is in them, and the gradients of a block are there before
    those of the next, so that processes can sum them meanwhile. On the CPU the loss stays as it
    is, for it is tuned by hand.
    """
    device = next(model.parameters()).device
    if fault := _fault(device):
        print(
            "warning: compile: true needs a compiler that works, and Python's headers "
            f"({fault}); going on uncompiled",
            file=sys.stderr,
        )
        return
    for module in model.modules():
        if isinstance(module, Block) or (isinstance(module, TokenLosses) and device.type != "cpu"):
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
