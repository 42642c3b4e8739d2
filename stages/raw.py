"""Books from a folder, a package or an address, one text each, and a manifest."""

import shutil
from pathlib import Path

from gpt1.corpus.sources import stamp, store
from gpt1.files import publish
from stages import entry, state, tracking


def main(path: Path, out: Path) -> None:
    """Write `books/ID.txt` and `manifest.jsonl`, one line a book."""
    with (
        tracking.run() as run,
        state.folder("raw", {"files": stamp(path)}, state.CORPUS / "sources") as pieces,
        publish(out) as folder,
    ):
        run.params({"path": str(path)})
        run.metrics(dict(store(path, pieces / "raw")))
        shutil.move(pieces / "raw", folder)


if __name__ == "__main__":
    entry.run(main)
