"""The token ids of a task's texts: one Parquet table for a task and a vocabulary.

A row has the ids of one example, in the order of the task's table. They are whole and without
special tokens: `gpt1.tasks.inputs` truncates them to a context and arranges them.

    import pandas
    pandas.read_parquet("data/tokens/rte/gpt.parquet")
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gpt1.errors import UserError
from gpt1.files import publish, read_tagged_parquet, sha256
from gpt1.tasks.table import read_table
from gpt1.tokens.tokenizer import Tokenizer, shared_tokenizer
from gpt1.tokens.vocabulary import read_vocabulary
from gpt1.workers import ordered_map

IDS = pa.list_(pa.uint16())
SCHEMA = pa.schema(
    [
        ("split", pa.string()),
        ("id", pa.string()),
        ("text", IDS),
        ("text_pair", IDS),
        ("choices", pa.list_(IDS)),
    ]
)
TEXTS = 10_000
"""Texts that a worker encodes at once."""


def tokenize(
    examples: pa.Table, encode: Callable[[pa.Array], pa.Array], continuing: Callable[[str], str]
) -> pa.Table:
    """The ids (`SCHEMA`) of rows of a task's table; `encode` gets each different text once.

    continuing: the tokenizer's. The question of a multiple choice is encoded as it stands after its
    context, for no delimiter separates them.
    """
    text, text_pair, choices = (
        examples[name].combine_chunks() for name in ("text", "text_pair", "choices")
    )
    if choices.null_count < len(choices):
        parts = (column.to_pylist() for column in (text, text_pair, choices))
        text_pair = pa.array(
            [
                continuing(second) if first and second and answers is not None else second
                for first, second, answers in zip(*parts, strict=True)
            ],
            pa.string(),
        )
    listed = choices.flatten()
    distinct = pc.unique(pa.chunked_array([text, text_pair, listed], pa.string())).drop_null()
    encoded = encode(distinct)

    def ids(texts: pa.Array) -> pa.Array:
        return encoded.take(pc.index_in(texts, value_set=distinct))

    sizes = pc.fill_null(pc.list_value_length(choices), 0).to_numpy()
    ends = pa.array(np.append(0, np.cumsum(sizes)), pa.int32())
    chosen = pa.ListArray.from_arrays(ends, ids(listed), pa.list_(IDS), mask=choices.is_null())
    columns = [examples["split"], examples["id"], ids(text), ids(text_pair), chosen]
    return pa.table(columns, schema=SCHEMA)


def encode_texts(texts: pa.Array, tokenizer: Tokenizer) -> pa.Array:
    """The ids of each text, in this process."""
    return pa.array(tokenizer.encode_batch(texts.to_pylist()), IDS)


def tokenize_task(task: Path, vocabulary: Path, out: Path) -> None:
    """Write the ids of the task's table `task` by the vocabulary in a folder, on all cores.

    The metadata has digests of both, which `read_tokens` compares. Raises UserError when either
    cannot be read.
    """
    digest = read_vocabulary(vocabulary).digest
    encode = partial(_encode_parallel, vocabulary=vocabulary.resolve(), digest=digest)
    continuing = shared_tokenizer(vocabulary.resolve(), digest).continuing
    tokens = tokenize(read_table(task), encode, continuing)
    made_of = {"task": sha256(task), "vocabulary": digest}
    with publish(out) as beside:
        pq.write_table(tokens.replace_schema_metadata(made_of), beside, compression="zstd")


def read_tokens(path: Path, task: Path, vocabulary: str) -> tuple[pa.Table, pa.Table]:
    """Read what `tokenize_task` wrote: the rows of the training examples, and those of the others.

    Raises UserError when the ids are those of another table than `task`, or by another vocabulary
    than that with the digest `vocabulary`.
    """
    table = read_tagged_parquet(path, "vocabulary", "a table of token ids")
    for key, expected, of in (
        ("task", sha256(task), f"another table than {task}"),
        ("vocabulary", vocabulary, "another vocabulary than the model's"),
    ):
        if table.schema.metadata.get(key.encode()) != expected.encode():
            raise UserError(
                f"{path}: the token ids of {of}; `dvc repro tokens@{task.stem}` makes them again"
            )
    trained = pc.equal(table["split"], "train")
    return table.filter(trained), table.filter(pc.invert(trained))


def _encode_parallel(texts: pa.Array, vocabulary: Path, digest: str) -> pa.Array:
    parts = (texts.slice(start, TEXTS).to_pylist() for start in range(0, len(texts), TEXTS))
    encode = partial(_encode, vocabulary=vocabulary, digest=digest)
    return pa.concat_arrays([pa.array([], IDS), *ordered_map(encode, parts, texts.nbytes)])


def _encode(texts: list[str], vocabulary: Path, digest: str) -> pa.Array:
    ids, lengths = shared_tokenizer(vocabulary, digest).encode_arrays(texts)
    return pa.ListArray.from_arrays(np.append(0, np.cumsum(lengths)).astype(np.int32), ids)
