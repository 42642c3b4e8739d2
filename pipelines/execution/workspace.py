"""The workspace in the hands of one driver, mended of what a killed one, or a killed DVC, left."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines import lockfile, sessions

if TYPE_CHECKING:
    from dvc.repo import Repo


@contextmanager
def held(repo: "Repo") -> Iterator[Path]:
    """Hold it alone; its root. Raises UserError where another driver is at work."""
    root = Path(repo.root_dir)
    with sessions.only_driver(root):
        sessions.end_left_over(root)
        lockfile.forget_dead(root)
        lockfile.guard(repo)
        try:
            yield root
        finally:
            lockfile.release(root)
