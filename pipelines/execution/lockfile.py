"""`dvc.lock`, and what becomes of it when a DVC is killed while it writes.

DVC writes the file in place, so that a kill leaves it cut short; the next DVC then refuses it, or
takes what it can read for all there is. A driver therefore keeps a copy while it is at work.
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
"""What `dvc.lock` says of one stage: cmd, deps, params, outs."""


def entries(root: Path) -> dict[str, Entry]:
    """The stages of `dvc.lock`; for a moment, while DVC writes it, there may be none."""
    for _ in range(40):
        try:
            return dict(_load(root / "dvc.lock"))
        except FileNotFoundError:
            return {}
        except ValueError:
            time.sleep(0.05)
    return {}


def hashes(entry: Entry, kind: str) -> dict[str, str]:
    """Path -> DVC hash of the `deps` or `outs` of a stage's entry."""
    return {file["path"]: file.get("md5", "") for file in entry.get(kind, [])}


def write(root: Path, stages: dict[str, Entry]) -> None:
    """Put down a whole `dvc.lock`."""
    yaml = YAML()
    yaml.default_flow_style = False  # as DVC writes it
    with files.publish(root / "dvc.lock") as path:
        yaml.dump({"schema": "2.0", "stages": stages}, path)


def guard(repo: "Repo") -> None:
    """Mend `dvc.lock` by the copy where a killed DVC cut it; then make the copy anew.

    Entries that are whole stay, those that are gone come back. What ended since the copy was made
    is in DVC's run cache and need not run again.
    """
    root = Path(repo.root_dir)
    path, copy = root / "dvc.lock", _copy(root)
    with repo.lock:
        if copy.exists():
            kept, _ = _read(copy)
            found, whole = _read(path)
            if not whole or kept.keys() - found.keys():
                if found:  # the last one may lack its end
                    found.popitem()
                write(root, kept | found)
        if path.exists():
            with files.publish(copy) as beside:
                beside.write_bytes(path.read_bytes())


def release(root: Path) -> None:
    """The driver's work is over: from now on anyone may take entries out of `dvc.lock`."""
    _copy(root).unlink(missing_ok=True)


def forget_dead(root: Path) -> None:
    """Remove DVC's note of who reads and writes which path, when no DVC of it lives.

    Cut short by a kill it would stop every later DVC; and the number of a process that is dead may
    long be another's.
    """
    note = root / ".dvc" / "tmp" / "rwlock"
    with suppress(FileNotFoundError):
        if not any(_is_dvc(pid) for pid in _pids(note)):
            note.unlink()


def _load(path: Path) -> dict[str, Entry]:
    """Raises ValueError when the file is cut so that DVC would refuse it."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        lock = COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(path))
    except (YAMLError, Invalid) as error:
        raise ValueError(f"{path.name} is cut: {error}") from None
    return dict(lock.get("stages", {}))


def _read(path: Path) -> tuple[dict[str, Entry], bool]:
    """What DVC would take from the file, and whether it has its end."""
    try:
        return _load(path), path.read_bytes().endswith(b"\n")
    except FileNotFoundError:
        return {}, True
    except ValueError:
        return {}, False


def _copy(root: Path) -> Path:
    return root / ".work" / "dvc.lock"


def _pids(note: Path) -> set[int]:
    try:
        held = json.loads(note.read_text())
        readers = [reader for some in held["read"].values() for reader in some]
        return {int(each["pid"]) for each in [*readers, *held["write"].values()]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()


def _is_dvc(pid: int) -> bool:
    try:
        return "dvc" in " ".join(psutil.Process(pid).cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
