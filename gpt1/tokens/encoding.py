"""Documents to token shards and to word counts, by as many workers as there are."""

from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from gpt1.errors import UserError
from gpt1.tokens.bpe import BPETokenizer, count_words
from gpt1.tokens.shards import ShardWriter
from gpt1.workers import ordered


def write_shards(documents: Path, bpe: Path, out: Path, split: str) -> int:
    """Encode the documents in a Parquet file (book, text) to shards in `out`; count the tokens."""
    tokens = 0
    encode = partial(_encode, bpe=bpe.resolve())
    with ShardWriter(out, split) as shards:
        for book, ids in _each(encode, documents, split):
            shards.write(book, ids)
            tokens += len(ids)
    return tokens


def count_documents(documents: Path) -> Counter[str]:
    """How often each word stands in the documents in a Parquet file (book, text)."""
    counts: Counter[str] = Counter()
    for found in _each(_count, documents, "words"):
        counts.update(found)
    return counts


def _each(function: Any, documents: Path, name: str) -> Iterator[Any]:
    try:
        file = pq.ParquetFile(documents)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{documents}: {error}; run `dvc repro --force clean`") from None
    rows = (
        (row["book"], row["text"])
        for batch in file.iter_batches(1, columns=["book", "text"])
        for row in batch.to_pylist()
    )
    groups = range(file.metadata.num_row_groups)
    size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    work = ordered(function, rows, size)
    yield from tqdm(work, total=file.metadata.num_rows, desc=name, unit="documents")


def _encode(document: tuple[str, str], bpe: Path) -> tuple[str, np.ndarray]:
    book, text = document
    return book, _tokenizer(bpe).encode_array(text)


@cache
def _tokenizer(bpe: Path) -> BPETokenizer:
    return BPETokenizer.load(bpe)


def _count(document: tuple[str, str]) -> Counter[str]:
    return count_words([document[1]])
