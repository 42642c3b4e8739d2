"""A model directory on disk: `config.json` and `model.safetensors`, whatever the network is.

`transformers` may write large weights in parts, with an index that names the part of each weight.
The files of the vocabulary beside them belong to the tokenizer.
"""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gpt1.errors import UserError, reading
from gpt1.files import read_json

CONFIG, WEIGHTS = "config.json", "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"


def write_model(directory: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write both files into a folder, which may exist."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    # One metadata key: safetensors writes several in random order, which would change the bytes.
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, directory / WEIGHTS, metadata={"format": "pt"})


def read_model(directory: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The config and the weights. Raises UserError when a file is missing or damaged."""
    config = read_config(directory)
    tensors: dict[str, Tensor] = {}
    for weights in weight_files(directory):
        with reading(weights, "cut short or damaged ({})"):
            tensors |= load_file(weights)
    return config, tensors


def weight_files(directory: Path) -> list[Path]:
    """The file with the weights, or all parts. Raises UserError when one is missing."""
    weights, index = Path(directory) / WEIGHTS, Path(directory) / INDEX
    if weights.is_file():
        return [weights]
    if not index.is_file():
        raise UserError(f"{directory}: no model directory, {WEIGHTS} is missing")
    names = _read_object(index).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(part, str) for part in names.values()):
        raise UserError(f"{index}: weight_map does not give the file of each weight; copy it again")
    parts = sorted({*names.values()})
    for part in parts:
        if Path(part).name != part or not (index.parent / part).is_file():
            raise UserError(f"{index}: the part {part} is not beside it; copy all parts again")
    return [index.parent / part for part in parts]


def read_config(directory: Path) -> dict[str, Any]:
    """The config alone. Raises UserError when it is missing or is not JSON."""
    file = Path(directory) / CONFIG
    if not file.is_file():
        raise UserError(f"{directory}: no model directory, {CONFIG} is missing")
    return _read_object(file)


def _read_object(file: Path) -> dict[str, Any]:
    values = read_json(file)
    if not isinstance(values, dict):
        raise UserError(f"{file}: not a JSON object")
    return values


def assign_weights(model: nn.Module, tensors: dict[str, Tensor], directory: Path) -> None:
    """Make `tensors` the parameters of `model`, with no copy, in evaluation mode.

    Raises UserError, which names `directory`, when the config describes other shapes.
    """
    try:
        model.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{directory}: {CONFIG} does not describe {WEIGHTS} ({reason})") from None
    model.requires_grad_().eval()
