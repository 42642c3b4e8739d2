"""Books from a folder, a package or an address, one text each, and a manifest."""

from pathlib import Path

from gpt1.corpus.sources import read, store
from gpt1.files import publish
from stages import entry, tracking


def main(path: Path, out: Path) -> None:
    """Write `books/ID.txt` and `manifest.jsonl`, one line a book."""
    with tracking.run() as run, publish(out) as folder:
        run.params({"path": str(path)})
        run.metrics(dict(store(read(path), folder)))


if __name__ == "__main__":
    entry.run(main)
