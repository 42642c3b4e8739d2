"""Make a model directory from weights that others trained."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gpt1.errors import UserError
from gpt1.files import publish
from gpt1.model import openai_gpt
from gpt1.model.directory import INDEX, WEIGHTS
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tokens.bpe import BPETokenizer

SHAPES = "params_shapes.json"
PARTS = [f"params_{part}.npy" for part in range(10)]
HEAD_SIZE = 64
EMBEDDING_ARRAYS, BLOCK_ARRAYS = len(openai_gpt.weight_names(0)), 2 * len(openai_gpt.BLOCK)
"""Arrays of the embeddings, and of a block: a weight and a bias for each of its modules."""


def import_model(source: Path, out: Path) -> None:
    """Make the model directory `out`, with its vocabulary, from `source`.

    `source` is a directory of `transformers` (`config.json`, `model.safetensors` or its parts, and
    `tokenizer.json` or `vocab.json` and `merges.txt`), or the `model` folder of the code released
    with the paper (`params_0..9.npy`, `params_shapes.json`, `encoder_bpe_40000.json`,
    `vocab_40000.bpe`).
    Raises UserError when a file is missing, for another network than GPT-1, or when weights and
    vocabulary differ in size.
    """
    source = Path(source)
    for path in (out, *out.parents):
        if path.is_file():
            raise UserError(f"{path} is a file; name a folder to create")
    tokenizer = BPETokenizer.load(source)
    is_released = (source / SHAPES).is_file()
    model = _load_released(source) if is_released else _load_transformers(source)
    if model.config.vocab == len(tokenizer.vocab):  # added tokens never got rows of their own
        tokenizer = BPETokenizer(tokenizer.vocab, tokenizer.merges)
    if model.config.vocab != len(tokenizer):
        raise UserError(
            f"{source}: the weights have {model.config.vocab} token rows, the vocabulary "
            f"{len(tokenizer)}; they do not belong together"
        )
    with publish(out) as beside:
        model.save(beside)
        tokenizer.save(beside)


def _load_transformers(source: Path) -> GPT:
    pickles = sorted(source.glob("pytorch_model*.bin"))
    if pickles and not any((source / name).is_file() for name in (WEIGHTS, INDEX)):
        raise UserError(
            f"{source}: only {pickles[0].name}, which is a pickle and can run any code; open it "
            "where you trust it and save_pretrained(..., safe_serialization=True)"
        )
    return GPT.load(source)


def _load_released(source: Path) -> GPT:
    arrays = _read_arrays(source)
    layers = (len(arrays) - EMBEDDING_ARRAYS) // BLOCK_ARRAYS
    names = openai_gpt.weight_names(layers)
    published = {
        name: torch.from_numpy(np.asarray(array, dtype=np.float32))
        for name, array in zip(names.values(), arrays, strict=True)
    }
    context, vocab = (len(array) for array in arrays[:EMBEDDING_ARRAYS])
    width = arrays[0].shape[1]
    config = GPTConfig(
        vocab=vocab,
        layers=layers,
        width=width,
        heads=width // HEAD_SIZE,
        context=context,
        dropout=0.1,
    )
    model = GPT(config)
    model.load_state_dict(openai_gpt.from_published(published, layers))
    return model


def _read_arrays(source: Path) -> list[np.ndarray]:
    """All arrays: the parts laid end to end, then cut by the shapes."""
    shapes: list[Any] = json.loads((source / SHAPES).read_text())
    missing = [part for part in PARTS if not (source / part).is_file()]
    if missing:
        raise UserError(f"{source}: {missing[0]} is missing; the released weights are 10 parts")
    flat = np.concatenate([np.load(source / part, allow_pickle=False) for part in PARTS])
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    if len(shapes) % BLOCK_ARRAYS != EMBEDDING_ARRAYS or len(flat) != ends[-1]:
        raise UserError(
            f"{source}: {len(flat):,} numbers in the parts, {ends[-1]:,} in {SHAPES} with "
            f"{len(shapes)} shapes; copy all parts again"
        )
    pieces = zip(np.split(flat, ends[:-1]), shapes, strict=True)
    # The weight of a linear layer has a leading 1: it was a convolution of width 1.
    return [piece.reshape(shape[1:] if len(shape) == 3 else shape) for piece, shape in pieces]
