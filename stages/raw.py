"""Books from a folder, a package or an address, one text each, and a manifest."""

import hashlib
import json
from pathlib import Path

from gpt1.corpus.sources import read
from gpt1.files import publish
from stages import entry, tracking


def main(path: Path, out: Path) -> None:
    """Write `books/ID.txt` and `manifest.jsonl`, one line a book."""
    with tracking.run() as run, publish(out) as folder:
        (folder / "books").mkdir(parents=True)
        count = size = 0
        with (folder / "manifest.jsonl").open("w", encoding="utf-8") as manifest:
            for book in read(path):
                content = book.text.encode()
                (folder / "books" / f"{book.id}.txt").write_bytes(content)
                row = {
                    "book": book.id,
                    "origin": book.origin,
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "bytes": len(content),
                    "words": len(book.text.split()),
                }
                manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
                count, size = count + 1, size + len(content)
        run.params({"path": str(path)})
        run.metrics({"books": count, "bytes": size})


if __name__ == "__main__":
    entry.run(main)
