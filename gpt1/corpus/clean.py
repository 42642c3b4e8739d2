"""Books to clean documents, split into train and valid."""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gpt1.corpus.split import by_passage, held_out
from gpt1.errors import UserError
from gpt1.params import Clean
from gpt1.tokens.words import fix

SCHEMA = pa.schema([("book", pa.string()), ("text", pa.string())])


def clean(raw: Path, out: Path, params: Clean) -> dict[str, int]:
    """Write `train.parquet` and `valid.parquet` to the folder `out`; count documents and words."""
    books = {path.stem: path for path in sorted((raw / "books").glob("*.txt"))}
    if not books:
        raise UserError(f"{raw}: no books; `dvc repro raw` brings them")
    chosen = held_out(books, params.valid_fraction, params.seed) if len(books) > 2 else set()
    if len(books) <= 2 and params.valid_fraction:
        print(f"{len(books)} books only: passages are held out, not books", file=sys.stderr)
    out.mkdir(parents=True, exist_ok=True)
    counts = {"train/documents": 0, "train/words": 0, "valid/documents": 0, "valid/words": 0}
    with (
        pq.ParquetWriter(out / "train.parquet", SCHEMA) as train,
        pq.ParquetWriter(out / "valid.parquet", SCHEMA) as valid,
    ):
        for book, path in books.items():
            text = fix(path.read_text("utf-8")).strip()
            documents = (
                [(book, text, book in chosen)]
                if len(books) > 2
                else by_passage(book, text, params.valid_fraction, params.seed)
            )
            for name, content, held in documents:
                file, split = (valid, "valid") if held else (train, "train")
                file.write_table(pa.table({"book": [name], "text": [content]}, SCHEMA))
                counts[f"{split}/documents"] += 1
                counts[f"{split}/words"] += len(content.split())
    return counts
