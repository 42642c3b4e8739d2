"""The state of a training run in one file: weights, optimizer moments and curve.

The curve has a row for each update done. Dropout needs no state: its masks follow from the seed,
the update and the micro-batch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from gpt1.files import publish


def save(
    file: Path,
    updates: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    curve: np.ndarray,
) -> None:
    """Write the state after `updates` updates, whole or not at all."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in _moments(optimizer).items()}
    tensors["curve"] = torch.from_numpy(curve[:updates])
    with publish(file) as beside:
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, beside)


def restore(
    file: Path, model: nn.Module, optimizer: torch.optim.Optimizer, curve: np.ndarray
) -> int:
    """Load `file` into the model, the optimizer and `curve`; return the updates done.

    Returns 0, and loads nothing, when there is no file or it is damaged.
    """
    try:
        with safe_open(file, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (FileNotFoundError, SafetensorError):
        return 0
    model.load_state_dict(_under("model.", tensors))
    _restore_moments(optimizer, _under("optimizer.", tensors))
    rows = tensors["curve"].numpy()
    curve[: len(rows)] = rows
    return len(rows)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _parameters(optimizer: torch.optim.Optimizer) -> Sequence[Any]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{index}.{name}": tensor
        for index, parameter in enumerate(_parameters(optimizer))
        for name, tensor in optimizer.state.get(parameter, {}).items()
    }


def _restore_moments(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = _parameters(optimizer)
    for name, tensor in tensors.items():
        index, key = name.split(".")
        parameter = parameters[int(index)]
        optimizer.state[parameter][key] = tensor.to(parameter.device)
