"""torch.compile, where there is a compiler."""

import os
import shutil
import sys

from torch import nn

from gpt1.model.transformer import Block


def compile_blocks(model: nn.Module) -> None:
    """Compile each block of `model` in place; say so in one line when there is no C++ compiler.

    Compiled once and used for every layer, a block takes seconds, the whole network a minute.
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        print(f"warning: compile: true needs {compiler}; going on uncompiled", file=sys.stderr)
        return
    for module in model.modules():
        if isinstance(module, Block):
            module.compile()
