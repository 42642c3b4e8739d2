"""What `raw` leaves: one text for each book, and a manifest with the fate of each."""

import hashlib
import json
import os
import re
from itertools import islice
from pathlib import Path
from typing import Any

from gpt1.corpus.sources.book import LARGEST, too_large
from gpt1.corpus.sources.read import read

_SUFFIX = re.compile(r"\.(txt|txt\.gz|epub)$", re.IGNORECASE)


def store(source: Path, folder: Path) -> dict[str, int]:
    """Write `books/ID.txt` (UTF-8) and `manifest.jsonl`; count books, drops and bytes.

    A line of the manifest: book (its id), origin, sha256, bytes, words, fate (`kept`, or the
    reason it was dropped). A folder that an earlier run left half-filled from the same source is
    filled on: the files that it had finished are not read again.
    """
    (folder / "books").mkdir(parents=True, exist_ok=True)
    counts = {"books": 0, "dropped": 0, "bytes": 0}
    rows = _written(folder / "manifest.jsonl")
    for row in rows:
        _count(row, counts)
    ids = {row["book"] for row in rows}
    files = [row["origin"].split("#")[0] for row in rows]
    done = set(files) - set(files[-1:])
    books = islice(read(source, done), files.count(files[-1]) if files else 0, None)
    with (folder / "manifest.jsonl").open("a", encoding="utf-8") as manifest:
        for book in books:
            name = _id(book.name, ids)
            content = book.text.encode("utf-8", "replace")
            reason = book.reason or (too_large() if len(content) > LARGEST else "")
            if not reason:
                (folder / "books" / f"{name}.txt").write_bytes(content)
            row = {
                "book": name,
                "origin": book.origin,
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
                "words": len(book.text.split()),
                "fate": reason or "kept",
            }
            manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
            manifest.flush()
            _count(row, counts)
    return counts


def _written(manifest: Path) -> list[dict[str, Any]]:
    """The rows that are there whole; what follows them is cut off."""
    manifest.touch()
    lines = manifest.read_bytes().splitlines(keepends=True)
    whole = [line for line in lines if line.endswith(b"\n")]
    os.truncate(manifest, sum(map(len, whole)))
    return [json.loads(line) for line in whole]


def _count(row: dict[str, Any], counts: dict[str, int]) -> None:
    kept = row["fate"] == "kept"
    counts["books" if kept else "dropped"] += 1
    counts["bytes"] += row["bytes"] if kept else 0


def _id(name: str, taken: set[str]) -> str:
    """A file name from a title or path; two books of one name get different ones."""
    plain = re.sub(r"[^\w.]+", "-", _SUFFIX.sub("", name)).strip("-.").lower()[:120] or "book"
    found, number = plain, 1
    while found in taken:
        number += 1
        found = f"{plain}-{number}"
    taken.add(found)
    return found
