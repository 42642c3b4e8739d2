"""Find and remove what nothing needs: outputs of dead stages, saved states, files in the cache.

A stage is dead when it is in `dvc.lock` and no longer in `dvc.yaml`, such as an item that was
removed from a matrix. The cache keeps what the workspace, a branch, a tag or an experiment uses,
and the runs with the tag `keep` in MLflow with everything upstream of them. A cache that other
clones may share is left alone.
"""

import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.execution import clone, commands, lockfile
from pipelines.graph.plan import build_plan
from pipelines.history.lineage import Lineage

if TYPE_CHECKING:
    from dvc.repo import Repo


FINGERPRINT = "[0-9a-f]" * 16
"""`.work/NAME/FINGERPRINT` is the saved state of a stage; NAME is the stage or its output."""


@dataclass(frozen=True)
class Prunable:
    stages: list[str]
    """Dead stages."""
    files: list[Path]
    """The outputs of dead stages, and saved states that no stage will resume from."""
    cached: list[Path]
    """Files in the cache."""

    def sizes(self, root: Path) -> dict[str, int]:
        """Path below `root` -> bytes; all files of the cache under `cache`."""
        found = {str(path.relative_to(root)): _size(path) for path in self.files}
        return found | {"cache": sum(map(_size, self.cached))}


def find_prunable(repo: "Repo") -> Prunable:
    """Find what can be removed, and remove nothing."""
    root, plan = Path(repo.root_dir), build_plan(repo)
    entries, stages = lockfile.entries(root), plan.graph.stages
    dead = [name for name in entries if name not in stages]
    outs = [out for name in dead for out in _unchanged_outs(repo, entries[name])]
    needed = [out for stage in stages.values() for out in stage.outs]
    files = [root / out for out in outs if not any(_overlap(out, other) for other in needed)]
    launched = [stages[name] for name in plan.to_launch()]
    unfinished = {Path(out).stem for stage in launched for out in stage.outs}
    states = {path.parent for path in (root / ".work").glob(f"*/{FINGERPRINT}")}
    files += [path for path in sorted(states) if path.name.rpartition("@")[2] not in unfinished]
    cached = [] if shares_cache(repo) else [Path(path) for path in _gc(repo, dry=True)]
    return Prunable(dead, [path for path in files if path.exists()], cached)


def _unchanged_outs(repo: "Repo", entry: lockfile.Entry) -> list[str]:
    """The outputs of a dead stage that are still what it wrote, relative to the root.

    Its folder (`wdir`) is unknown, so that a path alone might be that of another file.
    """
    if not entry.get("outs"):
        return []
    stage = repo.stage_cache._create_stage(entry)
    return [out.def_path for out in stage.outs if not out.workspace_status()]


def shares_cache(repo: "Repo") -> bool:
    """Whether others may use the cache: it is outside the project, or a worker shares it."""
    inside = Path(repo.cache.local_cache_dir).is_relative_to(repo.root_dir)
    return not inside or clone.any_in_use(Path(repo.root_dir))


def remove(repo: "Repo", found: Prunable) -> None:
    """Remove what `find_prunable` found."""
    root = Path(repo.root_dir)
    if found.stages:
        entries = lockfile.entries(root)
        lockfile.write(root, {n: entry for n, entry in entries.items() if n not in found.stages})
    for path in found.files:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if found.cached:
        _gc(repo, dry=False)


def _gc(repo: "Repo", dry: bool) -> list[str]:
    """Run DVC's `gc`; returns the files that it removes, or would remove if `dry`."""
    from dvc.scm import NoSCM

    with tempfile.TemporaryDirectory() as folder:
        _protect_from_gc(repo, _kept(repo), Path(folder))
        options = ["--workspace", "--force", "--projects", folder, *(["--dry"] if dry else [])]
        if not isinstance(repo.scm, NoSCM):
            options += ["--all-branches", "--all-tags", "--all-experiments"]
        said = commands.dvc(Path(repo.root_dir), "gc", *options)
    return re.findall(r"^Removing (.+)$", said, re.MULTILINE)


def _kept(repo: "Repo") -> set[str]:
    """The DVC hashes of the kept runs' inputs and outputs that the cache has, upstream included."""
    lineage = Lineage(Path(repo.root_dir))
    executions = [each for kept in lineage.kept() for each in lineage.upstream(kept)]
    hashes = {h for each in executions for h in [*each.outs.values(), *each.deps.values()] if h}
    return {digest for digest in hashes if repo.cache.local.exists(digest)}


def _protect_from_gc(repo: "Repo", hashes: Iterable[str], folder: Path) -> None:
    """Make `folder` a DVC project that uses `hashes` of our cache: `gc --projects` spares them."""
    commands.git(folder, "init", "--quiet")
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text(f"[cache]\n    dir = {repo.cache.local_cache_dir}\n")
    for number, digest in enumerate(sorted(hashes)):
        out = f"outs:\n- md5: {digest}\n  hash: md5\n  path: kept{number}\n"
        (folder / f"kept{number}.dvc").write_text(out)


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
