"""A git clone below `.work/` for a worker: it checks out commits and removes files at will."""

import fcntl
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from gpt1 import files
from gpt1.errors import UserError
from pipelines.execution.commands import git
from pipelines.execution.workspace import exclusive_lock
from pipelines.graph.graph import open_project

if TYPE_CHECKING:
    from dvc.repo import Repo

OUTER = "outer"
"""The git remote that is the clone around the worker's; `origin` is the origin of that one."""


@contextmanager
def own_clone(repo: "Repo", name: str) -> Iterator[Path]:
    """Yield the root of the project in the clone `.work/workers/NAME`, made at the first time.

    It gets the remotes of git and DVC from `repo`, with the credentials of DVC's, and shares its
    cache. Raises UserError while another process is in the block, or a stage runs there.
    """
    top = Path(git(Path(repo.root_dir), "rev-parse", "--show-toplevel"))
    folder = _folder(Path(repo.root_dir)) / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{name}.lock").open("w") as lock:
        if not _take(lock):
            raise UserError(
                f"another `gpt1 work {name}` is at work here; start this one in a clone of its own"
            )
        if not folder.exists():
            for half in folder.parent.glob(f".{name}.*{files.PARTIAL}"):
                files.remove(half)
            with files.publish(folder) as part:
                git(top, "clone", "--quiet", str(top), str(part))
        git(folder, "config", "remote.origin.url", _origin(top))
        git(folder, "config", f"remote.{OUTER}.url", str(top))
        root = folder / Path(repo.root_dir).resolve().relative_to(top.resolve())
        _configure_dvc(repo, root)
        with exclusive_lock(open_project(root)):  # not beside a stage that a killed worker left
            pass
        yield root


def any_in_use(root: Path) -> bool:
    """Whether a worker has a clone in the project at `root`, whose cache it shares."""
    for file in _folder(root).glob("*.lock"):
        with file.open() as lock:
            if not _take(lock):
                return True
    return False


def check_out(root: Path, commit: str) -> None:
    """Check out `commit`, whatever is there; fetch it if it is missing.

    Raises UserError when neither of the git remotes has it.
    """
    for source in (["origin", commit], ["origin"], [OUTER, commit]):
        if not _has(root, commit):
            with suppress(UserError):  # a server may refuse all commits but the ends of branches
                git(root, "fetch", "--quiet", *source)
    if not _has(root, commit):
        origin = git(root, "config", "remote.origin.url")
        raise UserError(f"the commit {commit[:8]} is not in {origin}: `git push` it there")
    git(root, "checkout", "--quiet", "--force", "--detach", commit)


def clean(root: Path, keep: Iterable[str]) -> None:
    """Remove all that git does not have, but for the paths in `keep` and hidden files.

    A stage may read the folder around what an earlier commit left.
    """
    prefix = git(root, "rev-parse", "--show-prefix")
    patterns = [".*", *("/" + re.sub(r"([\\*?\[\]!# ])", r"\\\1", prefix + path) for path in keep)]
    git(root, "clean", "-ffdxq", *(f"--exclude={pattern}" for pattern in patterns))


def project_id(root: Path) -> str:
    """What all clones of the project at `root` have in common, for names on a Prefect server.

    It is the beginning of the id of their first commit, with the folder of a project that is not
    at the top. Raises UserError in a shallow clone, which does not have that commit.
    """
    if git(root, "rev-parse", "--is-shallow-repository") == "true":
        raise UserError(
            "this is a shallow clone, which does not know the first commit that names the project: "
            "run `git fetch --unshallow`"
        )
    first = git(root, "rev-list", "--max-parents=0", "--first-parent", "HEAD")
    folder = git(root, "rev-parse", "--show-prefix")
    return "-".join([first[:8], *re.findall(r"\w+", folder)])


def _folder(root: Path) -> Path:
    return root / ".work" / "workers"


def _take(lock: TextIO) -> bool:
    """Lock a file until it is closed; returns whether that was possible."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _origin(top: Path) -> str:
    """Where `top` was cloned from; itself if that is not known."""
    remotes = git(top, "remote").split()
    if not remotes:
        return str(top)
    url = git(top, "remote", "get-url", "origin" if "origin" in remotes else remotes[0])
    local = top / url
    return str(local.resolve()) if local.exists() else url


def _has(root: Path, commit: str) -> bool:
    try:
        git(root, "cat-file", "-e", f"{commit}^{{commit}}")
    except UserError:
        return False
    return True


def _configure_dvc(repo: "Repo", root: Path) -> None:
    """Write `config.local` of the clone at `root`; its `config` is that of the commit.

    That is the same file of `repo`, the cache, and remotes whose path is relative to `repo`.
    """
    from dvc.config import Config
    from dvc.config_schema import RelPath

    outer = repo.config.load_one("local")
    outer["cache"]["dir"] = str(repo.cache.local_cache_dir)
    for name, remote in repo.config.load_one("repo")["remote"].items():
        if isinstance(remote.get("url"), RelPath):
            outer["remote"][name] = {"url": remote["url"]} | outer["remote"].get(name, {})
    with Config(str(root / ".dvc")).edit("local") as local:
        local.update(outer)
