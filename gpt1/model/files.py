"""Model directories: `config.json`, `model.safetensors`, `vocab.json`, `merges.txt`.

A transformer's directory is one of `transformers`' `openai-gpt` directories, both ways.
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gpt1.errors import UserError

if TYPE_CHECKING:
    from gpt1.model.language_model import LanguageModel

CONFIG, WEIGHTS = "config.json", "model.safetensors"
LSTM_TYPE = "gpt1-lstm"

# Our name -> theirs; in names of weights, ours stand first.
_NAMES = [
    (r"^tokens\.", "tokens_embed."),
    (r"^positions\.", "positions_embed."),
    (r"^blocks\.", "h."),
    (r"\.attention\.queries_keys_values\.", ".attn.c_attn."),
    (r"\.attention\.output\.", ".attn.c_proj."),
    (r"\.attention_norm\.", ".ln_1."),
    (r"\.feed_forward\.expand\.", ".mlp.c_fc."),
    (r"\.feed_forward\.contract\.", ".mlp.c_proj."),
    (r"\.feed_forward_norm\.", ".ln_2."),
]
_KEYS = {
    "vocab": "vocab_size",
    "layers": "n_layer",
    "width": "n_embd",
    "heads": "n_head",
    "context": "n_positions",
    "dropout": "resid_pdrop",
}
_FIXED = {
    "model_type": "openai-gpt",
    "architectures": ["OpenAIGPTLMHeadModel"],
    "afn": "gelu",
    "layer_norm_epsilon": 1e-5,
    "initializer_range": 0.02,
    "tie_word_embeddings": True,
}


def load(directory: Path) -> "LanguageModel":
    """The language model in `directory`, whatever its kind, in evaluation mode."""
    from gpt1.model.lstm import LSTM
    from gpt1.model.transformer import GPT

    kind = LSTM if read_config(directory).get("model_type") == LSTM_TYPE else GPT
    return kind.load(directory)


def fill(model: nn.Module, tensors: dict[str, Tensor], directory: Path) -> None:
    """Make `tensors` the weights of `model`; UserError when the config asks for other shapes."""
    try:
        model.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{directory}: {CONFIG} and {WEIGHTS} do not belong together ({reason})"
        ) from None
    model.requires_grad_().eval()


def save_transformer(directory: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write a transformer's config and weights under the names that `transformers` uses."""
    theirs = {_KEYS[key]: value for key, value in config.items()}
    dropouts = {"embd_pdrop": config["dropout"], "attn_pdrop": config["dropout"]}
    write(
        directory,
        {**_FIXED, **theirs, **dropouts},
        {_their_name(name): _turned(name, tensor) for name, tensor in tensors.items()},
    )


def load_transformer(directory: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The config and weights of a transformer, under our names.

    Raises UserError for a directory that is cut short, or holds another kind of network.
    """
    _, tensors = read(directory)
    ours = transformer_config(directory)
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    found: dict[str, Tensor] = {}
    for name in _expected_names(ours["layers"]):
        their_name = _their_name(name)
        if their_name not in tensors:
            raise UserError(f"{directory / WEIGHTS}: the weight {their_name} is missing")
        found[name] = _turned(name, tensors[their_name].float())
    return ours, found


def transformer_config(directory: Path) -> dict[str, Any]:
    """`config.json` of a transformer, under our names.

    Raises UserError when a key is missing, or for another kind of network.
    """
    config = read_config(directory)
    if config.get("model_type") != "openai-gpt":
        kind = config.get("model_type")
        raise UserError(f"{directory / CONFIG}: model_type is {kind!r}, not 'openai-gpt'")
    missing = [key for key in _KEYS.values() if key not in config]
    if missing:
        raise UserError(f"{directory / CONFIG}: the key {missing[0]} is missing")
    return {key: config[theirs] for key, theirs in _KEYS.items()}


def write(directory: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write `config.json` and `model.safetensors` into a folder that may exist."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    # One metadata key: more would be written in a random order.
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, directory / WEIGHTS, metadata={"format": "pt"})


def read(directory: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `write` wrote. Raises UserError when either file is missing or cut short."""
    config = read_config(directory)
    weights = Path(directory) / WEIGHTS
    if not weights.is_file():
        raise UserError(f"{directory}: no model directory, {WEIGHTS} is missing")
    try:
        return config, load_file(weights)
    except SafetensorError as error:
        raise UserError(f"{weights}: cut short or damaged ({error})") from None


def read_config(directory: Path) -> dict[str, Any]:
    """`config.json` of a model directory."""
    file = Path(directory) / CONFIG
    if not file.is_file():
        raise UserError(f"{directory}: no model directory, {CONFIG} is missing")
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise UserError(f"{file}: not JSON ({error})") from None


def _their_name(name: str) -> str:
    for ours, theirs in _NAMES:
        name = re.sub(ours, theirs, name)
    return name


def _turned(name: str, tensor: Tensor) -> Tensor:
    """Their linear layers keep the weight as (inputs, outputs), PyTorch's as its transpose."""
    linear = tensor.ndim == 2 and not name.startswith(("tokens.", "positions."))
    return tensor.T.contiguous() if linear else tensor


def _expected_names(layers: int) -> list[str]:
    parts = ["attention.queries_keys_values", "attention.output", "attention_norm"]
    parts += ["feed_forward.expand", "feed_forward.contract", "feed_forward_norm"]
    block = [f"{part}.{kind}" for part in parts for kind in ("weight", "bias")]
    blocks = [f"blocks.{layer}.{name}" for layer in range(layers) for name in block]
    return ["tokens.weight", "positions.weight", *blocks]
