"""A folder of books, of any depth."""

from collections.abc import Iterator
from pathlib import Path

from gpt1.corpus.sources.book import Book
from gpt1.errors import UserError


def read(folder: Path) -> Iterator[Book]:
    """Each `.txt` below `folder`, by name."""
    paths = sorted(path for path in folder.rglob("*.txt") if path.is_file())
    if not paths:
        raise UserError(f"{folder}: no .txt files here; put books in, or set raw.path elsewhere")
    for path in paths:
        name = path.relative_to(folder)
        yield Book("-".join(name.with_suffix("").parts), str(name), path.read_text("utf-8-sig"))
