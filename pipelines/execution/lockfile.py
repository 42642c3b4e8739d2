"""Read and write `dvc.lock`.

DVC writes the file in place: a kill leaves it truncated, and the next DVC refuses it or loses the
entries that are cut off. A driver therefore writes it itself, whole and beside.
"""

import json
import threading
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from ruamel.yaml import YAML, YAMLError

from gpt1 import files
from gpt1.errors import UserError

if TYPE_CHECKING:
    from dvc.repo import Repo

Entry = dict[str, Any]
"""The entry of one stage in `dvc.lock`: cmd, deps, params, outs."""


def entries(root: Path) -> dict[str, Entry]:
    """The entries of `dvc.lock` by stage; {} when there is none.

    Waits up to 2 s while DVC writes the file: DVC's lock would not help, for DVC holds it longer.
    """
    for _ in range(40):
        try:
            return _stages(_load(root / "dvc.lock"))
        except UserError:
            time.sleep(0.05)
    return {}


def hashes(entry: Entry, kind: str) -> dict[str, str]:
    """Path -> DVC hash of the `deps` or `outs` (`kind`) of an entry."""
    return {file["path"]: file.get("md5", "") for file in entry.get(kind, [])}


def write(root: Path, stages: dict[str, Entry]) -> None:
    """Write `dvc.lock` with these `stages`, atomically; anything else in it stays."""
    file = root / "dvc.lock"
    _dump(file, {"schema": "2.0"} | _load(file) | {"stages": stages})


class LockFiles:
    """The lock files of a project while a driver runs.

    `put` may be called from any thread. Writing takes seconds when there are thousands of stages:
    entries that come sooner than `REST` times the time of a write are written together. Those that
    a kill loses are in DVC's run cache, from which the next run restores them.
    """

    REST = 10

    def __init__(self, repo: "Repo") -> None:
        from dvc.lock import make_lock

        self._root, self._lock = Path(repo.root_dir), threading.Lock()
        # Not `repo.lock`, which must not be taken by two threads.
        self._dvc = make_lock(
            str(Path(repo.tmp_dir, "lock")),
            tmp_dir=repo.tmp_dir,
            hardlink_lock=repo.config["core"].get("hardlink_lock", False),
            wait=True,
        )
        self._pending: dict[Path, dict[str, Entry]] = defaultdict(dict)
        self._written: dict[Path, tuple[object, dict[str, Any]]] = {}
        self._due = 0.0
        self._timer: threading.Timer | None = None

    def put(self, address: str, entry: Entry) -> None:
        """Add or replace the entry of the stage `address`, such as `raw` or `a/dvc.yaml:raw`."""
        folder, _, name = address.rpartition("dvc.yaml:")
        with self._lock:
            self._pending[self._root / folder / "dvc.lock"][name] = entry
            wait = self._due - time.monotonic()
            if wait <= 0:
                self._write()
            elif not self._timer:
                self._timer = threading.Timer(wait, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write all entries that are not written yet."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._pending:
            return
        start = time.monotonic()
        with self._dvc:
            for file, new in self._pending.items():
                signature, content = self._written.get(file, (None, {}))
                if signature is None or signature != _signature(file):  # someone's DVC wrote it
                    content = _load(file)
                if any(_stages(content).get(name) != entry for name, entry in new.items()):
                    content = {"schema": "2.0"} | content | {"stages": _stages(content) | new}
                    _dump(file, content)
                self._written[file] = _signature(file), content
        self._pending.clear()
        self._due = time.monotonic() + self.REST * (time.monotonic() - start)


def remove_stale_rwlock(root: Path) -> None:
    """Remove DVC's list of the paths that are being read or written, if no DVC in it is alive.

    Truncated by a kill, it makes every later DVC fail. DVC itself asks only whether a process with
    that number lives, which may be another program by now.
    """
    file = root / ".dvc" / "tmp" / "rwlock"
    with suppress(FileNotFoundError):
        if not any(_is_dvc(pid) for pid in _pids(file)):
            file.unlink()


def _dump(file: Path, content: dict[str, Any]) -> None:
    from dvc.utils.serialize import dump_yaml

    with files.publish(file) as path:
        dump_yaml(path, content)


def _stages(content: dict[str, Any]) -> dict[str, Entry]:
    return content.get("stages") or {}


def _load(file: Path) -> dict[str, Any]:
    """The content; {} without a file. Raises UserError when DVC would refuse it."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        return dict(COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(file)))
    except FileNotFoundError:
        return {}
    except (YAMLError, Invalid):
        raise UserError(
            f"{file.name} is not whole: a DVC was killed while it wrote it; take the last one from "
            "git, or remove it: DVC has what it made in its cache"
        ) from None


def _signature(file: Path) -> object:
    try:
        status = file.stat()
    except FileNotFoundError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size


def _pids(rwlock: Path) -> set[int]:
    try:
        held = json.loads(rwlock.read_text())
        readers = [reader for some in held["read"].values() for reader in some]
        return {int(each["pid"]) for each in [*readers, *held["write"].values()]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()


def _is_dvc(pid: int) -> bool:
    try:
        return "dvc" in " ".join(psutil.Process(pid).cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
