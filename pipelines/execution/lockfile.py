"""Read, write and repair `dvc.lock`.

DVC writes the file in place: a kill leaves it truncated, and the next DVC refuses it or loses the
entries that are cut off. A driver therefore keeps a backup while it runs.
"""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from ruamel.yaml import YAML, YAMLError

from gpt1 import files

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
            return dict(_load(root / "dvc.lock"))
        except FileNotFoundError:
            return {}
        except ValueError:
            time.sleep(0.05)
    return {}


def hashes(entry: Entry, kind: str) -> dict[str, str]:
    """Path -> DVC hash of the `deps` or `outs` (`kind`) of an entry."""
    return {file["path"]: file.get("md5", "") for file in entry.get(kind, [])}


def write(root: Path, stages: dict[str, Entry]) -> None:
    """Write a whole `dvc.lock`, atomically."""
    yaml = YAML()
    yaml.default_flow_style = False  # as DVC writes it
    with files.publish(root / "dvc.lock") as path:
        yaml.dump({"schema": "2.0", "stages": stages}, path)


def repair_and_backup(repo: "Repo") -> None:
    """Restore entries that a killed DVC cut off `dvc.lock` from the backup; then renew the backup.

    Complete entries stay as they are. A stage that ended after the last backup need not run again:
    DVC's run cache has it.
    """
    root = Path(repo.root_dir)
    path, backup = root / "dvc.lock", _backup(root)
    with repo.lock:
        if backup.exists():
            saved, _ = _parse_truncated(backup)
            current, complete = _parse_truncated(path)
            if not complete or saved.keys() - current.keys():
                if current:  # the last entry may lack its end
                    current.popitem()
                write(root, saved | current)
        if path.exists():
            with files.publish(backup) as beside:
                beside.write_bytes(path.read_bytes())


def remove_backup(root: Path) -> None:
    """Between runs anyone may remove entries from `dvc.lock`, and no repair must restore them."""
    _backup(root).unlink(missing_ok=True)


def remove_stale_rwlock(root: Path) -> None:
    """Remove DVC's list of the paths that are being read or written, if no DVC in it is alive.

    Truncated by a kill, it makes every later DVC fail. DVC itself asks only whether a process with
    that number lives, which may be another program by now.
    """
    file = root / ".dvc" / "tmp" / "rwlock"
    with suppress(FileNotFoundError):
        if not any(_is_dvc(pid) for pid in _pids(file)):
            file.unlink()


def _load(path: Path) -> dict[str, Entry]:
    """The entries. Raises ValueError when DVC would refuse the file."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        lock = COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(path))
    except (YAMLError, Invalid) as error:
        raise ValueError(f"{path.name} is truncated: {error}") from None
    return dict(lock.get("stages", {}))


def _parse_truncated(path: Path) -> tuple[dict[str, Entry], bool]:
    """The entries that DVC would read, and whether the file is complete."""
    try:
        return _load(path), path.read_bytes().endswith(b"\n")
    except FileNotFoundError:
        return {}, True
    except ValueError:
        return {}, False


def _backup(root: Path) -> Path:
    return root / ".work" / "dvc.lock"


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
