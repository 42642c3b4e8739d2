"""Collect the books of a source: one text file each, and a manifest."""

import shutil
from pathlib import Path

from gpt1.corpus.sources import file_stats, store_books
from gpt1.files import publish
from stages import entry, state, tracking


def main(path: Path, out: Path) -> None:
    """Write `books/ID.txt`, and `manifest.jsonl` with a line for each book."""
    with (
        tracking.run() as run,
        state.folder("raw", {"files": file_stats(path)}, state.CORPUS / "sources") as scratch,
        publish(out) as folder,
    ):
        run.params({"path": str(path)})
        run.metrics(dict(store_books(path, scratch / "raw")))
        shutil.move(scratch / "raw", folder)


if __name__ == "__main__":
    entry.run(main)
