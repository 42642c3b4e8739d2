"""Deterministic kernels: the same bits again on the same device, with the same library versions.

Some kernels of GPUs add in the order in which threads happen to finish (attention's backward pass,
`scatter_add_`, `index_add`), cuBLAS chooses among workspaces, and `torch.compile` among candidates
by their time. The param `deterministic` has PyTorch take what always adds in one order.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gpt1.errors import UserError

WORKSPACE = ":4096:8"
"""Eight buffers of 4 MiB for cuBLAS: of one size, as it and cuDNN's LSTM ask for. With the smaller
ones that are allowed (`:16:8`) torch warns on an H200 that cuBLASLt has too little."""
NONE = " does not have a deterministic implementation"


def use_deterministic(wanted: bool) -> None:
    """Choose, for this process, whether every operation must be deterministic.

    Call it before CUDA starts, that is before `gpt1.device.device`: cuBLAS reads its workspaces
    from the environment once.
    """
    if wanted:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = WORKSPACE
    torch.use_deterministic_algorithms(wanted)
    # PyTorch would also fill each new tensor: for code that reads what it never wrote.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


@contextmanager
def nondeterministic_operations(title: str) -> Iterator[None]:
    """Turn PyTorch's error for an operation without a deterministic form into a UserError."""
    try:
        yield
    except RuntimeError as error:
        operation, said, _ = str(error).partition(NONE)
        if not said:
            raise
        raise UserError(
            f"{title}: {operation.split()[-1]} has no deterministic form on this device; set "
            "deterministic: false in its section of params.yaml (docs/training.md)"
        ) from None
