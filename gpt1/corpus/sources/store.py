"""What `raw` leaves: one text for each book, and a manifest with the fate of each."""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

from gpt1.corpus.sources.book import Book

_SUFFIX = re.compile(r"\.(txt|txt\.gz|epub)$", re.IGNORECASE)


def store(books: Iterable[Book], folder: Path) -> dict[str, int]:
    """Write `books/ID.txt` (UTF-8) and `manifest.jsonl`; count books, drops and bytes.

    A line of the manifest: book (its id), origin, sha256, bytes, words, fate (`kept`, or the
    reason it was dropped).
    """
    (folder / "books").mkdir(parents=True)
    counts = {"books": 0, "dropped": 0, "bytes": 0}
    ids: set[str] = set()
    with (folder / "manifest.jsonl").open("w", encoding="utf-8") as manifest:
        for book in books:
            name = _id(book.name, ids)
            content = book.text.encode("utf-8", "replace")
            if book.reason:
                counts["dropped"] += 1
            else:
                (folder / "books" / f"{name}.txt").write_bytes(content)
                counts["books"] += 1
                counts["bytes"] += len(content)
            row = {
                "book": name,
                "origin": book.origin,
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
                "words": len(book.text.split()),
                "fate": book.reason or "kept",
            }
            manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
    return counts


def _id(name: str, taken: set[str]) -> str:
    """A file name from a title or path; two books of one name get different ones."""
    plain = re.sub(r"[^\w.]+", "-", _SUFFIX.sub("", name)).strip("-.").lower()[:120] or "book"
    found, number = plain, 1
    while found in taken:
        number += 1
        found = f"{plain}-{number}"
    taken.add(found)
    return found
