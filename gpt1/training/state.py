"""A training run's state in one file: weights, optimizer, random numbers, update and curve."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


@dataclass
class Progress:
    """How far a run is: the updates done, and one row of the curve for each."""

    update: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of every random generator that training draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def save(
    file: Path,
    progress: Progress,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    randomness: dict[str, Tensor],
) -> None:
    """Write the state as it was at the start of update `progress.update`, then move it to `file`.

    `randomness` is `random_state` as of then: a later one may have drawn a part's dropout already.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in _moments(optimizer).items()}
    tensors |= {f"random.{name}": tensor for name, tensor in randomness.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}.part")
    # One metadata key: more would be written in a random order.
    save_file(
        {name: tensor.detach().contiguous() for name, tensor in tensors.items()},
        beside,
        metadata={"progress": json.dumps(vars(progress))},
    )
    os.replace(beside, file)


def restore(
    file: Path, model: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
) -> Progress:
    """Put the state in `file` back; when there is none, or it is unreadable, start at update 0."""
    try:
        with safe_open(file, "pt", device=str(device)) as opened:
            progress = Progress(**json.loads(opened.metadata()["progress"]))
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (FileNotFoundError, SafetensorError):
        return Progress()
    model.load_state_dict(_under("model.", tensors))
    _restore_moments(optimizer, _under("optimizer.", tensors))
    torch.set_rng_state(tensors["random.cpu"].cpu())
    if "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"].cpu(), device)
    return progress


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
        optimizer.state[parameters[int(index)]][key] = tensor
