"""The published names and layouts of GPTs: those of `transformers` and of the released arrays.

Both store the weight of a linear layer as (inputs, outputs); PyTorch stores the transpose. The
released arrays of GPT-1 have no names: they come in the order of `Layout.weight_names`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpt1.errors import UserError
from gpt1.model.directory import CONFIG, WEIGHTS, read_config, read_model, write_model

# Our name -> the name in `transformers`, in every layout.
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
DROPOUTS = ("embd_pdrop", "attn_pdrop", "resid_pdrop")
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
BUFFER = re.compile(r"(h\.\d+\.attn\.(bias|masked_bias)|position_ids)")
"""The causal mask and the numbers of the positions, which older `transformers` saved too."""
HEAD = "lm_head.weight"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How `transformers` stores one of the networks: the names of its weights, and its config."""

    network: str
    """What messages call it."""
    model_type: str
    architecture: str
    embeddings: Mapping[str, str]
    """Our name -> theirs, in the order of the released arrays."""
    norms: Mapping[str, str]
    """The same of norms outside of the blocks."""
    fixed: Mapping[str, Any]
    """Values on which the network relies, and which `transformers` takes where a key is missing."""
    token_ids: tuple[str, ...]
    """Keys of special tokens: values that are kept, and used by `transformers` alone."""

    def weight_names(self, layers: int) -> dict[str, str]:
        """Our name -> the name in `transformers`, in the order of the released arrays."""
        names = {f"{ours}.weight": f"{theirs}.weight" for ours, theirs in self.embeddings.items()}
        modules = {
            f"blocks.{layer}.{ours}": f"h.{layer}.{theirs}"
            for layer in range(layers)
            for ours, theirs in BLOCK.items()
        }
        for ours, theirs in (modules | dict(self.norms)).items():
            for kind in ("weight", "bias"):
                names[f"{ours}.{kind}"] = f"{theirs}.{kind}"
        return names

    def from_published(self, tensors: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
        """Weights under our names, transposed as ours, fp32. Raises KeyError: a missing name."""
        return {
            ours: self._transposed(ours, tensors[theirs].float())
            for ours, theirs in self.weight_names(layers).items()
        }

    def save(
        self, directory: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> None:
        """Write a directory that `transformers` opens, from our config and weights."""
        names = self.weight_names(config["layers"])
        published = {theirs: config[ours] for ours, theirs in CONFIG_KEYS.items()}
        published |= {"embd_pdrop": config["dropout"], "attn_pdrop": config["dropout"]}
        published |= {
            "model_type": self.model_type,
            "architectures": [self.architecture],
            "initializer_range": 0.02,
        }
        weights = {names[ours]: self._transposed(ours, tensor) for ours, tensor in tensors.items()}
        # null, not no key: `transformers` would take 50256, which other vocabularies do not have.
        published |= {key: config["token_ids"].get(key) for key in self.token_ids}
        write_model(directory, {**self.fixed, **published}, weights)

    def load(self, directory: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Our config and weights, from a directory that `save` or `transformers` wrote.

        Raises UserError when a file, a key or a weight is missing, or for another kind of network.
        """
        _, tensors = read_model(directory)
        config = self.load_config(directory)
        # `transformers` adds the prefix when it saves the network with its language model head.
        file, embedding = Path(directory) / WEIGHTS, f"{self.embeddings['tokens']}.weight"
        named = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
        if len(named) < len(tensors):
            raise UserError(f"{file}: a weight is there twice, with and without `transformer.`")
        tensors = {name: tensor for name, tensor in named.items() if not BUFFER.fullmatch(name)}
        if HEAD in tensors:  # the embedding again, or the only copy of it
            head = tensors.pop(HEAD)
            if not torch.equal(tensors.setdefault(embedding, head), head):
                raise UserError(
                    f"{file}: {HEAD} and {embedding} differ; in {self.network} they are one matrix"
                )
        self._check_weights(tensors, config["layers"], file)
        try:
            return config, self.from_published(tensors, config["layers"])
        except KeyError as error:
            raise UserError(f"{file}: the weight {error.args[0]} is missing") from None

    def load_config(self, directory: Path) -> dict[str, Any]:
        """Our config. Raises UserError when a key is missing, or for another kind of network."""
        config, file = read_config(directory), Path(directory) / CONFIG
        if config.get("model_type") != self.model_type:
            kind = config.get("model_type")
            raise UserError(f"{file}: model_type is {kind!r}, not {self.model_type!r}")
        missing = [key for key in CONFIG_KEYS.values() if key not in config]
        if missing:
            raise UserError(f"{file}: the key {missing[0]} is missing")
        self._check_config(config, file)
        token_ids = {key: config[key] for key in self.token_ids if _is_token_id(config, key)}
        values = {ours: config[theirs] for ours, theirs in CONFIG_KEYS.items()}
        return values | {"token_ids": token_ids}

    def _check_config(self, config: dict[str, Any], file: Path) -> None:
        """Check every value on which the network relies. Raises UserError for another."""
        sizes = {key: config[key] for key in CONFIG_KEYS.values() if key not in DROPOUTS}
        for key, value in sizes.items():
            if type(value) is not int or value < 1:
                raise UserError(f"{file}: {key} is {value!r}, not a whole number from 1 on")
        inner = 4 * sizes["n_embd"]  # what None stands for
        for key, ours in {**self.fixed, "quantization_config": None}.items():
            value = config.get(key, ours)
            if value != ours and (key, value) != ("n_inner", inner):
                raise UserError(
                    f"{file}: {key} is {value!r}; the network of {self.network} has {ours!r}"
                )
        if sizes["n_embd"] % sizes["n_head"]:
            raise UserError(
                f"{file}: n_embd {sizes['n_embd']} has no {sizes['n_head']} equal heads"
            )
        rates = {key: config.get(key, 0.1) for key in DROPOUTS}
        for key, rate in rates.items():
            if type(rate) not in (int, float) or not 0 <= rate < 1:
                raise UserError(f"{file}: {key} is {rate!r}, not a rate from 0 to below 1")
        if len({*rates.values()}) > 1:
            listed = ", ".join(f"{key} {rate}" for key, rate in rates.items())
            raise UserError(f"{file}: {listed}; the network has one dropout rate: make them equal")

    def _check_weights(self, tensors: Mapping[str, Tensor], layers: int, file: Path) -> None:
        """Raises UserError for quantized weights, and for those that the network does not have."""
        known = {*self.weight_names(layers).values()}
        for name, tensor in tensors.items():
            if name in known and tensor.dtype not in FLOATS:
                raise UserError(f"{file}: {name} is {tensor.dtype}; save it unquantized")
        for name in sorted(tensors.keys() - known):
            layer = re.match(r"h\.(\d+)\.", name)
            if layer and int(layer[1]) >= layers:
                raise UserError(f"{file}: {name}: has more layers than the {layers} of {CONFIG}")
            raise UserError(
                f"{file}: {self.network} with {layers} layers has no weight {name}; merge adapters "
                "and remove other heads"
            )

    def _transposed(self, name: str, tensor: Tensor) -> Tensor:
        """Turn the weight of a linear layer; embeddings, biases and gains stay. A copy."""
        is_linear = tensor.ndim == 2 and not name.startswith(tuple(self.embeddings))
        return tensor.T.contiguous() if is_linear else tensor


def _is_token_id(config: dict[str, Any], key: str) -> bool:
    """Whether the vocabulary has the id, or each of a list of them, that the config names."""
    value = config.get(key)
    ids = value if isinstance(value, list) else [value]
    return all(type(id) is int and 0 <= id < config["vocab_size"] for id in ids)


OPENAI_GPT = Layout(
    network="GPT-1",
    model_type="openai-gpt",
    architecture="OpenAIGPTLMHeadModel",
    embeddings={"positions": "positions_embed", "tokens": "tokens_embed"},
    norms={},
    fixed={"afn": "gelu", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True},
    token_ids=(),
)
"""`transformers` calls GPT-1 so."""
