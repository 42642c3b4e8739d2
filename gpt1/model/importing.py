"""Make a model directory from weights that others trained."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gpt1.errors import UserError, reading
from gpt1.files import publish, read_json
from gpt1.model.directory import INDEX, WEIGHTS
from gpt1.model.loading import transformer
from gpt1.model.openai_gpt import BLOCK, OPENAI_GPT
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tokens.tokenizer import load_tokenizer

SHAPES = "params_shapes.json"
PARTS = [f"params_{part}.npy" for part in range(10)]
HEAD_SIZE = 64
EMBEDDING_ARRAYS, BLOCK_ARRAYS = len(OPENAI_GPT.weight_names(0)), 2 * len(BLOCK)
"""Arrays of the embeddings, and of a block: a weight and a bias for each of its modules."""


def import_model(source: Path, out: Path) -> None:
    """Make the model directory `out`, with its vocabulary, from `source`.

    `source` is a directory of `transformers` with a GPT-1 or GPT-2 (`config.json`,
    `model.safetensors` or its parts, and `tokenizer.json` or `vocab.json` and `merges.txt`), or the
    `model` folder of the code released with the paper (`params_0..9.npy`, `params_shapes.json`,
    `encoder_bpe_40000.json`, `vocab_40000.bpe`).
    Raises UserError when a file is missing or damaged, for another network, for weights that are
    not finite, or when weights and vocabulary differ in size.
    """
    source = Path(source)
    for path in (out, *out.parents):
        if path.is_file():
            raise UserError(f"{path} is a file; name a folder to create")
    tokenizer = load_tokenizer(source)
    is_released = (source / SHAPES).is_file()
    model = _load_released(source) if is_released else _load_transformers(source)
    if model.config.vocab == len(tokenizer.vocab):  # added tokens never got rows of their own
        tokenizer = type(tokenizer)(tokenizer.vocab, tokenizer.merges)
    if model.config.vocab != len(tokenizer):
        raise UserError(
            f"{source}: the weights have {model.config.vocab} token rows, the vocabulary "
            f"{len(tokenizer)}; they do not belong together"
        )
    names = model.LAYOUT.weight_names(model.config.layers)
    for name, tensor in model.state_dict().items():
        if not tensor.isfinite().all():
            raise UserError(
                f"{source}: the weight {names[name]} has NaN or infinity; copy it again"
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
    return transformer(source).load(source)


def _load_released(source: Path) -> GPT:
    shapes = _read_shapes(source / SHAPES)
    arrays = _read_arrays(source, shapes)
    (context, width), (vocab, _) = shapes[:EMBEDDING_ARRAYS]
    layers = len(shapes) // BLOCK_ARRAYS
    config = GPTConfig(
        vocab=vocab,
        layers=layers,
        width=width,
        heads=width // HEAD_SIZE,
        context=context,
        dropout=0.1,
    )
    names = OPENAI_GPT.weight_names(layers).values()
    published = {
        name: torch.from_numpy(np.asarray(array, dtype=np.float32))
        for name, array in zip(names, arrays, strict=True)
    }
    model = GPT(config)
    model.load_state_dict(OPENAI_GPT.from_published(published, layers))
    return model


def _read_shapes(file: Path) -> list[list[int]]:
    """The shape of each array, checked against those of a GPT-1 as wide as the first one says."""
    values: Any = read_json(file)
    lists = isinstance(values, list) and all(isinstance(shape, list) for shape in values)
    if not lists or not all(type(size) is int and size > 0 for shape in values for size in shape):
        raise UserError(f"{file}: not a list of shapes; copy it again")
    # The weight of a linear layer has a leading 1: it was a convolution of width 1.
    shapes = [shape[1:] if len(shape) == 3 and shape[0] == 1 else shape for shape in values]
    if len(shapes) <= EMBEDDING_ARRAYS or len(shapes) % BLOCK_ARRAYS != EMBEDDING_ARRAYS:
        raise UserError(f"{file}: {len(shapes)} shapes are not those of a GPT-1; copy it again")
    if {len(shape) for shape in shapes[:EMBEDDING_ARRAYS]} != {2} or shapes[0][1] % HEAD_SIZE:
        raise UserError(
            f"{file}: the embeddings have the shapes {shapes[0]} and {shapes[1]}, not "
            f"(rows, width) with a multiple of {HEAD_SIZE} as width; copy it again"
        )
    width = shapes[0][1]
    embeddings = [[shapes[0][0], width], [shapes[1][0], width]]
    expected = embeddings + _block_shapes(width) * (len(shapes) // BLOCK_ARRAYS)
    for place, (found, right) in enumerate(zip(shapes, expected, strict=True)):
        if found != right:
            raise UserError(
                f"{file}: array {place} has the shape {found}; in a GPT-1 of width {width} it is "
                f"{right}; copy it again"
            )
    return shapes


def _block_shapes(width: int) -> list[list[int]]:
    """Shapes of a block's arrays in the order of `BLOCK`, a weight and a bias each."""
    attention = [[width, 3 * width], [3 * width], [width, width], [width]]
    feed_forward = [[width, 4 * width], [4 * width], [4 * width, width], [width]]
    norm = [[width], [width]]
    return attention + norm + feed_forward + norm


def _read_arrays(source: Path, shapes: list[list[int]]) -> list[np.ndarray]:
    """All arrays: the parts laid end to end, then cut by the shapes."""
    missing = [part for part in PARTS if not (source / part).is_file()]
    if missing:
        raise UserError(f"{source}: {missing[0]} is missing; the released weights are 10 parts")
    flat = np.concatenate([_read_part(source / part) for part in PARTS])
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    if len(flat) != ends[-1]:
        raise UserError(
            f"{source}: {len(flat):,} numbers in the parts, {ends[-1]:,} in {SHAPES} with "
            f"{len(shapes)} shapes; copy all parts again"
        )
    pieces = zip(np.split(flat, ends[:-1]), shapes, strict=True)
    return [piece.reshape(shape) for piece, shape in pieces]


def _read_part(file: Path) -> np.ndarray:
    """The numbers of one part. `np.load` would take a page of a web site for a pickle."""
    damaged = "damaged or cut short; copy it again"
    with reading(file, damaged), file.open("rb") as opened:
        numbers = np.lib.format.read_array(opened, allow_pickle=False)
    if numbers.ndim != 1 or numbers.dtype.kind != "f":
        raise UserError(f"{file}: {damaged}")
    return numbers
