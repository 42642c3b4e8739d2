"""Documents (Parquet files of clean_corpus) to token shards and to word counts, in parallel."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from gpt1.errors import UserError
from gpt1.files import iterate_rows
from gpt1.tokens.bpe import count_words
from gpt1.tokens.shards import ShardWriter
from gpt1.tokens.tokenizer import shared_tokenizer
from gpt1.tokens.vocabulary import read_vocabulary
from gpt1.workers import map_to_files


def encode_documents(documents: Path, bpe: Path, out: Path, split: str, work: Path) -> int:
    """Encode a Parquet file (book, text) to shards of `split` in the folder `out`.

    bpe: the folder with the vocabulary.
    work: keeps the ids of each document, so that a run after a kill continues there.
    Returns the number of tokens. Raises UserError when the Parquet file cannot be read.
    """
    tokens = 0
    rows = iterate_rows(_open(documents), ["book", "text"])
    books = ((row["book"], len(row["text"].encode()), len(row["text"].split())) for row in rows)
    encode = partial(_encode, bpe=bpe.resolve(), digest=read_vocabulary(bpe).digest)
    with ShardWriter(out, split) as shards:
        files = _map_texts(encode, documents, work / split, split)
        for (book, size, words), file in zip(books, files, strict=True):
            ids = np.load(file, allow_pickle=False)
            shards.write(book, ids, size, words)
            tokens += len(ids)
    return tokens


def count_document_words(documents: Path, work: Path) -> Counter[str]:
    """Count each word in the documents of a Parquet file (book, text); `work` as above."""
    counts: Counter[str] = Counter()
    for file in _map_texts(_count, documents, work / "words", "words"):
        counts.update(json.loads(file.read_text("utf-8")))
    return counts


def _map_texts(
    function: Callable[[str, Path], None], documents: Path, folder: Path, name: str
) -> Iterator[Path]:
    """Yield the file that `function(text, file)` writes for each document; `name` is shown."""
    file = _open(documents)
    texts = (row["text"] for row in iterate_rows(file, ["text"]))
    groups = range(file.metadata.num_row_groups)
    size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    files = map_to_files(function, texts, folder, size)
    yield from tqdm(files, total=file.metadata.num_rows, desc=name, unit="documents")


def _open(documents: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(documents)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{documents}: {error}; run `dvc repro --force clean`") from None


def _encode(text: str, path: Path, bpe: Path, digest: str) -> None:
    ids, _ = shared_tokenizer(bpe, digest).encode_arrays([text])
    with path.open("wb") as file:
        np.save(file, ids, allow_pickle=False)


def _count(text: str, path: Path) -> None:
    path.write_text(json.dumps(count_words([text]), ensure_ascii=False), "utf-8")
