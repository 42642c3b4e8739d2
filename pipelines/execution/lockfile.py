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
from typing import TYPE_CHECKING, Any, cast

import psutil
from ruamel.yaml import YAML, YAMLError

from gpt1 import files
from gpt1.errors import UserError

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

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


def load_stage(repo: "Repo", address: str, entry: Entry | None) -> "Stage":
    """DVC's object for the stage `address`, with `entry` as what `dvc.lock` has of it.

    DVC would parse the whole lock file for that: 1.1 s with the entries of a thousand cells.
    """
    from dvc.dvcfile import ProjectFile, load_file
    from dvc.utils import parse_target

    path, name = parse_target(address)
    file = load_file(repo, repo.fs.abspath(path or "dvc.yaml"))
    if not isinstance(file, ProjectFile):
        return cast("Stage", file.stage)
    file.lockfile_contents = {"stages": {name: entry} if entry else {}}
    return cast("Stage", file.stages[name])


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
        self._known: dict[Path, tuple[object, dict[str, Any]]] = {}
        self._due = 0.0
        self._timer: threading.Timer | None = None

    def get(self, address: str) -> Entry | None:
        """The entry of the stage `address`, such as `raw` or `a/dvc.yaml:raw`."""
        file, name = self._place(address)
        with self._lock:
            if name in self._pending.get(file, {}):
                return self._pending[file][name]
            if self._is_known(file):
                return _stages(self._content(file)).get(name)
            with self._dvc:  # a DVC may be writing it
                return _stages(self._content(file)).get(name)

    def put(self, address: str, entry: Entry) -> None:
        """Add or replace the entry of the stage `address`."""
        file, name = self._place(address)
        with self._lock:
            self._pending[file][name] = entry
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
                content = self._content(file)
                if any(_stages(content).get(name) != entry for name, entry in new.items()):
                    content = {"schema": "2.0"} | content | {"stages": _stages(content) | new}
                    _dump(file, content)
                self._known[file] = _signature(file), content
        self._pending.clear()
        self._due = time.monotonic() + self.REST * (time.monotonic() - start)

    def _place(self, address: str) -> tuple[Path, str]:
        folder, _, name = address.rpartition("dvc.yaml:")
        return self._root / folder / "dvc.lock", name

    def _content(self, file: Path) -> dict[str, Any]:
        """The content of a lock file, which is parsed again only after someone's DVC wrote it."""
        if not self._is_known(file):
            self._known[file] = _signature(file), _load(file)
        return self._known[file][1]

    def _is_known(self, file: Path) -> bool:
        return file in self._known and self._known[file][0] == _signature(file)


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
