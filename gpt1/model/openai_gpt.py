"""The published names and layout of GPT: those of `transformers` and of the released arrays.

Both store the weight of a linear layer as (inputs, outputs); PyTorch stores the transpose. The
released arrays have no names: they come in the order of `weight_names`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpt1.errors import UserError
from gpt1.model.directory import CONFIG, WEIGHTS, read_config, read_model, write_model

MODEL_TYPE = "openai-gpt"
# Our name -> the name in `transformers`.
EMBEDDINGS = {"positions": "positions_embed", "tokens": "tokens_embed"}
BLOCK = {
    "attention.queries_keys_values": "attn.c_attn",
    "attention.output": "attn.c_proj",
    "attention_norm": "ln_1",
    "feed_forward.expand": "mlp.c_fc",
    "feed_forward.contract": "mlp.c_proj",
    "feed_forward_norm": "ln_2",
}
CONFIG_KEYS = {
    "vocab": "vocab_size",
    "layers": "n_layer",
    "width": "n_embd",
    "heads": "n_head",
    "context": "n_positions",
    "dropout": "resid_pdrop",
}
FIXED = {"afn": "gelu", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True}
"""Values on which the network relies, and which `transformers` takes where a key is missing."""
DROPOUTS = ("embd_pdrop", "attn_pdrop", "resid_pdrop")
CONSTANTS = FIXED | {
    "model_type": MODEL_TYPE,
    "architectures": ["OpenAIGPTLMHeadModel"],
    "initializer_range": 0.02,
}
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
BUFFER = re.compile(r"(h\.\d+\.attn\.bias|position_ids)")
"""The causal mask and the numbers of the positions, which older `transformers` saved too."""
HEAD, TOKENS = "lm_head.weight", "tokens_embed.weight"


def weight_names(layers: int) -> dict[str, str]:
    """Our name -> the name in `transformers`, in the order of the released arrays."""
    names = {f"{ours}.weight": f"{theirs}.weight" for ours, theirs in EMBEDDINGS.items()}
    for layer in range(layers):
        for ours, theirs in BLOCK.items():
            for kind in ("weight", "bias"):
                names[f"blocks.{layer}.{ours}.{kind}"] = f"h.{layer}.{theirs}.{kind}"
    return names


def from_published(tensors: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Weights under our names and in our layout, fp32. Raises KeyError with a missing name."""
    return {
        ours: _transposed(ours, tensors[theirs].float())
        for ours, theirs in weight_names(layers).items()
    }


def save(directory: Path, config: dict[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write a directory that `transformers` opens, from our config and weights."""
    names = weight_names(config["layers"])
    published = {theirs: config[ours] for ours, theirs in CONFIG_KEYS.items()}
    published |= {"embd_pdrop": config["dropout"], "attn_pdrop": config["dropout"]}
    weights = {names[ours]: _transposed(ours, tensor) for ours, tensor in tensors.items()}
    write_model(directory, CONSTANTS | published, weights)


def load(directory: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Our config and weights, from a directory that `save` or `transformers` wrote.

    Raises UserError when a file, a key or a weight is missing, or for another kind of network.
    """
    _, tensors = read_model(directory)
    config = load_config(directory)
    # `transformers` adds the prefix when it saves the network with its language model head.
    file = Path(directory) / WEIGHTS
    named = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    if len(named) < len(tensors):
        raise UserError(f"{file}: a weight is there twice, with and without `transformer.`")
    tensors = {name: tensor for name, tensor in named.items() if not BUFFER.fullmatch(name)}
    if HEAD in tensors:  # the embedding again, or the only copy of it
        head = tensors.pop(HEAD)
        if not torch.equal(tensors.setdefault(TOKENS, head), head):
            raise UserError(f"{file}: {HEAD} and {TOKENS} differ; in GPT-1 they are one matrix")
    _check_weights(tensors, config["layers"], file)
    try:
        return config, from_published(tensors, config["layers"])
    except KeyError as error:
        raise UserError(f"{file}: the weight {error.args[0]} is missing") from None


def load_config(directory: Path) -> dict[str, Any]:
    """Our config. Raises UserError when a key is missing, or for another kind of network."""
    config, file = read_config(directory), Path(directory) / CONFIG
    if config.get("model_type") != MODEL_TYPE:
        kind = config.get("model_type")
        raise UserError(f"{file}: model_type is {kind!r}, not {MODEL_TYPE!r}")
    missing = [key for key in CONFIG_KEYS.values() if key not in config]
    if missing:
        raise UserError(f"{file}: the key {missing[0]} is missing")
    _check_config(config, file)
    return {ours: config[theirs] for ours, theirs in CONFIG_KEYS.items()}


def _check_config(config: dict[str, Any], file: Path) -> None:
    """Check every value on which the network relies. Raises UserError for one it does not have."""
    for key, ours in (FIXED | {"quantization_config": None}).items():
        if (value := config.get(key, ours)) != ours:
            raise UserError(f"{file}: {key} is {value!r}; the network of GPT-1 has {ours!r}")
    sizes = {key: config[key] for key in CONFIG_KEYS.values() if key not in DROPOUTS}
    for key, value in sizes.items():
        if type(value) is not int or value < 1:
            raise UserError(f"{file}: {key} is {value!r}, not a whole number from 1 on")
    if sizes["n_embd"] % sizes["n_head"]:
        raise UserError(f"{file}: n_embd {sizes['n_embd']} has no {sizes['n_head']} equal heads")
    rates = {key: config.get(key, 0.1) for key in DROPOUTS}
    for key, rate in rates.items():
        if type(rate) not in (int, float) or not 0 <= rate < 1:
            raise UserError(f"{file}: {key} is {rate!r}, not a rate from 0 to below 1")
    if len({*rates.values()}) > 1:
        listed = ", ".join(f"{key} {rate}" for key, rate in rates.items())
        raise UserError(f"{file}: {listed}; the network has one dropout rate: make them equal")


def _check_weights(tensors: Mapping[str, Tensor], layers: int, file: Path) -> None:
    """Raises UserError for quantized weights, and for those that the network does not have."""
    known = {*weight_names(layers).values()}
    for name, tensor in tensors.items():
        if name in known and tensor.dtype not in FLOATS:
            raise UserError(f"{file}: {name} is {tensor.dtype}; save it unquantized")
    for name in sorted(tensors.keys() - known):
        layer = re.match(r"h\.(\d+)\.", name)
        if layer and int(layer[1]) >= layers:
            raise UserError(f"{file}: {name}: has more layers than the {layers} of {CONFIG}")
        raise UserError(
            f"{file}: GPT-1 with {layers} layers has no weight {name}; merge adapters and remove "
            "other heads"
        )


def _transposed(name: str, tensor: Tensor) -> Tensor:
    """Turn the weight of a linear layer; embeddings, biases and gains stay. A copy."""
    is_linear = tensor.ndim == 2 and not name.startswith(tuple(EMBEDDINGS))
    return tensor.T.contiguous() if is_linear else tensor
