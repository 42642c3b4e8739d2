"""Weights that others trained, as one of our model directories."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gpt1.errors import UserError
from gpt1.files import publish
from gpt1.model import files
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tokens.bpe import BPETokenizer

SHAPES = "params_shapes.json"
PARTS = [f"params_{part}.npy" for part in range(10)]
HEAD_SIZE = 64
# The order of a layer's arrays in the released files; convolution weights have a leading 1.
LAYER = [
    "attention.queries_keys_values.weight",
    "attention.queries_keys_values.bias",
    "attention.output.weight",
    "attention.output.bias",
    "attention_norm.weight",
    "attention_norm.bias",
    "feed_forward.expand.weight",
    "feed_forward.expand.bias",
    "feed_forward.contract.weight",
    "feed_forward.contract.bias",
    "feed_forward_norm.weight",
    "feed_forward_norm.bias",
]


def import_model(source: Path, out: Path) -> None:
    """Make the model directory `out` from `source`, with its vocabulary.

    `source` is a directory of `transformers` (`config.json`, `model.safetensors`, `vocab.json`,
    `merges.txt`), or the `model` folder of the code released with the paper (`params_0..9.npy`,
    `params_shapes.json`, `encoder_bpe_40000.json`, `vocab_40000.bpe`).
    Raises UserError when something is missing, or weights and vocabulary do not belong together.
    """
    source = Path(source)
    for place in (out, *out.parents):
        if place.is_file():
            raise UserError(f"{place} is a file; name a folder that is to be made")
    tokenizer = BPETokenizer.load(source)
    model = _released(source) if (source / SHAPES).is_file() else _transformers(source)
    if model.config.vocab != len(tokenizer):
        raise UserError(
            f"{source}: the weights have {model.config.vocab} token rows, the vocabulary "
            f"{len(tokenizer)}; they do not belong together"
        )
    with publish(out) as beside:
        model.save(beside)
        tokenizer.save(beside)


def _transformers(source: Path) -> GPT:
    if not (source / files.WEIGHTS).is_file() and (source / "pytorch_model.bin").is_file():
        raise UserError(
            f"{source}: only pytorch_model.bin, which is a pickle and could run anything; open it "
            "where you trust it and save_pretrained(..., safe_serialization=True)"
        )
    return GPT.load(source)


def _released(source: Path) -> GPT:
    arrays = _arrays(source)
    positions, tokens, layers = arrays[0], arrays[1], arrays[2:]
    names = [f"blocks.{layer}.{name}" for layer in range(len(layers) // 12) for name in LAYER]
    tensors = {"tokens.weight": _tensor(tokens), "positions.weight": _tensor(positions)}
    for name, array in zip(names, layers, strict=True):
        # (1, inputs, outputs) there, (outputs, inputs) here
        tensors[name] = _tensor(array[0].T if array.ndim == 3 else array)
    vocab, width = tokens.shape
    model = GPT(
        GPTConfig(
            vocab=vocab,
            layers=len(layers) // 12,
            width=width,
            heads=width // HEAD_SIZE,
            context=len(positions),
            dropout=0.1,
        )
    )
    model.load_state_dict(tensors)
    return model


def _arrays(source: Path) -> list[np.ndarray]:
    """All arrays, cut by their shapes from the parts laid end to end."""
    shapes: list[Any] = json.loads((source / SHAPES).read_text())
    missing = [part for part in PARTS if not (source / part).is_file()]
    if missing:
        raise UserError(f"{source}: {missing[0]} is missing; the released weights are 10 parts")
    whole = np.concatenate([np.load(source / part, allow_pickle=False) for part in PARTS])
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    if len(shapes) % 12 != 2 or len(whole) != ends[-1]:
        raise UserError(
            f"{source}: {len(whole):,} numbers in the parts, {ends[-1]:,} in {SHAPES} with "
            f"{len(shapes)} shapes; copy all parts again"
        )
    pieces = np.split(whole, ends[:-1])
    return [piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)]


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
