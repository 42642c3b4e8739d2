"""What no lock entry, branch or kept run needs: dead stages, saved states, content of the cache.

A stage is dead when `dvc.lock` knows it and `dvc.yaml` no more: a cell that was taken out of a
matrix. A run is kept that carries the tag `keep` in MLflow, with all it was made from.
"""

import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines import commands, lockfile, plan
from pipelines.lineage import Lineage

if TYPE_CHECKING:
    from dvc.repo import Repo


FINGERPRINT = "[0-9a-f]" * 16
"""The folders in which a stage keeps its state; their own is named after the stage or its out."""


@dataclass(frozen=True)
class Prunable:
    stages: list[str]
    """Dead ones, with an entry in `dvc.lock`."""
    files: list[Path]
    """Their outputs, and saved states that nothing will go on from."""
    cached: list[Path]
    """Files in the cache."""

    def sizes(self, root: Path) -> dict[str, int]:
        """Bytes by path below `root`, those of the cache together."""
        found = {str(path.relative_to(root)): _size(path) for path in self.files}
        return found | {"cache": sum(map(_size, self.cached))}


def find(repo: "Repo") -> Prunable:
    """Look for it; nothing is touched."""
    root, planned = Path(repo.root_dir), plan.make(repo)
    entries, living = lockfile.entries(root), planned.graph.stages
    dead = [name for name in entries if name not in living]
    outs = [out for name in dead for out in lockfile.hashes(entries[name], "outs")]
    needed = [out for stage in living.values() for out in stage.outs]
    files = [root / out for out in outs if not any(_overlap(out, other) for other in needed)]
    launched = [living[name] for name in planned.to_launch()]
    unfinished = {Path(out).name for stage in launched for out in stage.outs}
    states = {path.parent for path in (root / ".work").glob(f"*/{FINGERPRINT}")}
    files += [path for path in sorted(states) if path.name.rpartition("@")[2] not in unfinished]
    cached = [Path(path) for path in _gc(repo, dry=True)]
    return Prunable(dead, [path for path in files if path.exists()], cached)


def free(repo: "Repo", found: Prunable) -> None:
    """Remove what was found."""
    root = Path(repo.root_dir)
    if found.stages:
        entries = lockfile.entries(root)
        lockfile.write(root, {n: entry for n, entry in entries.items() if n not in found.stages})
    for path in found.files:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if found.cached:
        _gc(repo, dry=False)


def _gc(repo: "Repo", dry: bool) -> list[str]:
    """DVC's own `gc`; the files that it would remove, where `dry` is set."""
    with tempfile.TemporaryDirectory() as folder:
        _use(repo, _kept(repo), Path(folder))
        options = ["--workspace", "--force", "--projects", folder, *(["--dry"] if dry else [])]
        if (Path(repo.root_dir) / ".git").exists():
            options += ["--all-branches", "--all-tags", "--all-experiments"]
        said = commands.dvc(Path(repo.root_dir), "gc", *options)
    return re.findall(r"^Removing (.+)$", said, re.MULTILINE)


def _kept(repo: "Repo") -> set[str]:
    """The DVC hashes of what the kept runs made and were made from, as far as the cache has it."""
    lineage = Lineage(Path(repo.root_dir))
    sources = [source for making in lineage.kept() for source in lineage.sources(making)]
    hashes = {h for source in sources for h in [*source.outs.values(), *source.deps.values()] if h}
    return {digest for digest in hashes if repo.cache.local.exists(digest)}


def _use(repo: "Repo", hashes: Iterable[str], folder: Path) -> None:
    """Make of `folder` a DVC project that uses `hashes` out of our cache, for DVC to spare them."""
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
