"""Whole or not at all: an output is written beside its place and then moved there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def publish(out: Path) -> Iterator[Path]:
    """Yield a path beside `out` to write a file or a folder to; move it to `out` at the end.

    When the block raises, what was written is removed and `out` stays as it was.
    """
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.{os.getpid()}.part")
    _remove(beside)
    try:
        yield beside
        if out.is_dir():  # os.replace refuses a folder that is not empty
            _remove(out)
        os.replace(beside, out)
    finally:
        _remove(beside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
