"""The output of `raw`: one text file for each book, and a manifest with the fate of each."""

import hashlib
import json
import os
import re
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from gpt1.corpus.sources.book import Book
from gpt1.corpus.sources.reader import read_books
from gpt1.errors import UserError

TOLD = 20
"""Dropped and damaged books that are printed."""
_SUFFIX = re.compile(r"\.(txt|txt\.gz|epub)$", re.IGNORECASE)


def store_books(source: Path, folder: Path) -> dict[str, int]:
    """Write `books/ID.txt` (UTF-8) and `manifest.jsonl`; return counts of books, drops and bytes.

    A line of the manifest has `book` (its id), `origin`, `sha256`, `bytes`, `words`, `fate`, which
    is `kept` or the reason why the book is dropped, `note`: what a kept book lacks, and `left_out`:
    its pages that are no part of the text. The first reasons and notes are printed.

    A folder that a killed run left is continued: files that it finished are not read again.
    Raises UserError when the source has no books.
    """
    (folder / "books").mkdir(parents=True, exist_ok=True)
    counts = {"books": 0, "dropped": 0, "bytes": 0}
    rows = _complete_rows(folder / "manifest.jsonl")
    for row in rows:
        _count(row, counts)
    ids = {row["book"] for row in rows}
    files = [row["origin"].split("#")[0] for row in rows]
    # The last file may be half done: it is read again, and the books it gave already are skipped.
    done = set(files) - set(files[-1:])
    books = islice(read_books(source, done), files.count(files[-1]) if files else 0, None)
    told = 0
    with (folder / "manifest.jsonl").open("a", encoding="utf-8", errors="replace") as manifest:
        for book in books:
            name = _unique_id(book.name, ids)
            content = book.text.encode()
            if not book.reason:
                (folder / "books" / f"{name}.txt").write_bytes(content)
            row = {
                "book": name,
                "origin": book.origin,
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
                "words": len(book.text.split()),
                "fate": book.reason or "kept",
                "note": book.note,
                "left_out": book.left_out,
            }
            manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
            manifest.flush()
            _count(row, counts)
            told += _tell(book, told)
    if not counts["books"] + counts["dropped"]:
        raise UserError(f"{source}: no books")
    return counts


def _complete_rows(manifest: Path) -> list[dict[str, Any]]:
    """Return the rows of a manifest and truncate a half-written last line."""
    manifest.touch()
    lines = manifest.read_bytes().splitlines(keepends=True)
    complete = [line for line in lines if line.endswith(b"\n")]
    os.truncate(manifest, sum(map(len, complete)))
    return [json.loads(line) for line in complete]


def _count(row: dict[str, Any], counts: dict[str, int]) -> None:
    kept = row["fate"] == "kept"
    counts["books" if kept else "dropped"] += 1
    counts["bytes"] += row["bytes"] if kept else 0


def _tell(book: Book, told: int) -> bool:
    """Print what is wrong with a book, unless `TOLD` were printed; return whether anything is."""
    wrong = f"dropped: {book.reason}" if book.reason else book.note and f"kept, but {book.note}"
    if wrong and told < TOLD:
        line = f"{book.origin}: {wrong}"
        print("".join(c if c.isprintable() else "?" for c in line), file=sys.stderr)
    elif wrong and told == TOLD:
        print("and more: the fate and note of each book are in manifest.jsonl", file=sys.stderr)
    return bool(wrong)


def _unique_id(name: str, taken: set[str]) -> str:
    """Turn a title or path into a file name that is not in `taken`, and add it there."""
    plain = re.sub(r"[^\w.]+", "-", _SUFFIX.sub("", name)).strip("-.").lower()
    plain = plain.encode()[:120].decode("utf-8", "ignore") or "book"  # file systems count bytes
    unique, number = plain, 1
    while unique in taken:
        number += 1
        unique = f"{plain}-{number}"
    taken.add(unique)
    return unique
