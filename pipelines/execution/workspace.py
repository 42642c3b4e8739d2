"""The workspace of one DVC project: entered by a command, locked and cleaned by a driver."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from gpt1 import files
from gpt1.errors import UserError
from pipelines.execution import lockfile, processes

if TYPE_CHECKING:
    from dvc.repo import Repo

    from pipelines.graph.graph import Graph

FOLDERS = (".work", ".prefect", ".mlflow")


@contextmanager
def enter() -> Iterator["Repo"]:
    """Open the project around the current folder, and make its root the current folder."""
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    from pipelines.graph import graph

    repo = graph.open_project()
    os.chdir(repo.root_dir)
    _ignore_our_folders(Path(repo.root_dir))
    with repo:
        yield repo


def _ignore_our_folders(root: Path) -> None:
    """Keep git away from the folders of servers, states and logs, whatever `.gitignore` says."""
    for name in FOLDERS:
        file = root / name / ".gitignore"
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            file.write_text("*\n")


@contextmanager
def exclusive_lock(repo: "Repo") -> Iterator[Path]:
    """Lock the workspace, end what a killed driver left, and yield the root.

    DVC's own locks do not keep two drivers apart. Raises UserError when another driver runs here.
    """
    root = Path(repo.root_dir)
    with _only_driver(root):
        processes.end_orphans(root)
        lockfile.remove_stale_rwlock(root)
        yield root


def remove_partial_outputs(graph: "Graph", root: Path) -> None:
    """Remove what `gpt1.files.publish` left beside the outputs, and `stages.state`, when killed."""
    outs = [out for stage in graph.stages.values() for out in stage.outs]
    for folder in {root, *((root / out).parent for out in outs), *(root / ".work").glob("*")}:
        for path in folder.glob(f".*{files.PARTIAL}"):
            writer = path.name.split(".")[-2]
            if not (writer.isdecimal() and psutil.pid_exists(int(writer))):
                files.remove(path)


def is_at_work(root: Path) -> bool:
    """Whether a driver holds the lock of the workspace."""
    try:
        with _only_driver(root):
            return False
    except UserError:
        return True


@contextmanager
def _only_driver(root: Path) -> Iterator[None]:
    path = root / ".work" / "driver.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError("another `gpt1 run` is at work here; wait for it, or end it") from None
        yield
