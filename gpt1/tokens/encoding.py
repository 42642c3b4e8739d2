"""Documents to token shards and to word counts, by as many workers as there are."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from gpt1.errors import UserError
from gpt1.files import rows
from gpt1.tokens.bpe import BPETokenizer, count_words
from gpt1.tokens.shards import ShardWriter
from gpt1.workers import pieces


def write_shards(documents: Path, bpe: Path, out: Path, split: str, work: Path) -> int:
    """Encode the documents in a Parquet file (book, text) to shards in `out`; count the tokens.

    The ids of each document are kept in `work`, for a run that goes on after a kill.
    """
    tokens = 0
    books = (row["book"] for row in rows(_opened(documents), ["book"]))
    encode = partial(_encode, bpe=bpe.resolve())
    with ShardWriter(out, split) as shards:
        for book, piece in zip(books, _each(encode, documents, work / split, split), strict=True):
            ids = np.load(piece, allow_pickle=False)
            shards.write(book, ids)
            tokens += len(ids)
    return tokens


def count_documents(documents: Path, work: Path) -> Counter[str]:
    """How often each word stands in the documents in a Parquet file (book, text)."""
    counts: Counter[str] = Counter()
    for piece in _each(_count, documents, work / "words", "words"):
        counts.update(json.loads(piece.read_text("utf-8")))
    return counts


def _each(
    function: Callable[[str, Path], None], documents: Path, folder: Path, name: str
) -> Iterator[Path]:
    """The pieces that `function(text, piece)` writes, one for each document."""
    file = _opened(documents)
    texts = (row["text"] for row in rows(file, ["text"]))
    groups = range(file.metadata.num_row_groups)
    size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    work = pieces(function, texts, folder, size)
    yield from tqdm(work, total=file.metadata.num_rows, desc=name, unit="documents")


def _opened(documents: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(documents)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{documents}: {error}; run `dvc repro --force clean`") from None


def _encode(text: str, piece: Path, bpe: Path) -> None:
    with piece.open("wb") as file:
        np.save(file, _tokenizer(bpe).encode_array(text), allow_pickle=False)


@cache
def _tokenizer(bpe: Path) -> BPETokenizer:
    return BPETokenizer.load(bpe)


def _count(text: str, piece: Path) -> None:
    piece.write_text(json.dumps(count_words([text]), ensure_ascii=False), "utf-8")
