"""A model directory on disk: `config.json` and `model.safetensors`, whatever the network is.

`vocab.json` and `merges.txt` beside them belong to the tokenizer.
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gpt1.errors import UserError

CONFIG, WEIGHTS = "config.json", "model.safetensors"


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
    weights = Path(directory) / WEIGHTS
    if not weights.is_file():
        raise UserError(f"{directory}: no model directory, {WEIGHTS} is missing")
    try:
        return config, load_file(weights)
    except SafetensorError as error:
        raise UserError(f"{weights}: cut short or damaged ({error})") from None


def read_config(directory: Path) -> dict[str, Any]:
    """The config alone. Raises UserError when it is missing or is not JSON."""
    file = Path(directory) / CONFIG
    if not file.is_file():
        raise UserError(f"{directory}: no model directory, {CONFIG} is missing")
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise UserError(f"{file}: not JSON ({error})") from None


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
