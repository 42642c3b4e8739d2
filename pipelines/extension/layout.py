"""What `gpt1 init` lays out: this project's files, and a `dvc.yaml` that runs installed code."""

import shutil
from pathlib import Path

from gpt1.errors import UserError, one_line
from pipelines.execution import commands
from pipelines.extension import template
from stages import installed

FOLDERS = ["corpora", "hub", "profiles"]
FILES = ["params.yaml", "params.schema.json", ".dvc/.gitignore", ".dvc/config"]
IGNORED = [".gitignore", ".dvcignore"]


def lay_out(root: Path) -> list[str]:
    """Write a project into `root`, which may exist and hold other files; nothing is committed.

    Returns the names of the other files and folders, but those of git.

    Without a git repository around it one is made. A `.gitignore` that is there gets our lines.
    Raises UserError where git is missing or a file is in the way, and then writes nothing.
    """
    if root.exists() and not root.is_dir():
        raise UserError(f"{root} is a file; name a folder")
    for name in (template.GRAPH, str(installed.FILE), ".dvc", *FILES, *FOLDERS):
        if (root / name).exists():
            raise UserError(f"{root / name} is there already; name a folder that does not have it")
    for package in dict.fromkeys(["gpt1", installed.__name__.partition(".")[0]]):
        for own in (root / package / "__init__.py", root / f"{package}.py"):
            if own.exists():
                raise UserError(
                    f"{own}: stages would import this `{package}` in place of the installed one; "
                    "rename it, or name another folder"
                )
    if not shutil.which("git"):
        raise UserError("git is not installed, and DVC needs it (Debian: apt-get install git)")
    try:
        others = sorted(path.name for path in root.iterdir()) if root.exists() else []
        _write(root)
        return [name for name in others if not name.startswith(".git")]
    except OSError as error:
        raise UserError(f"{root}: {one_line(error)}") from None


def _write(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    try:
        commands.git(root, "rev-parse", "--git-dir")
    except UserError:
        commands.git(root, "init", "--quiet")
    source = template.FOLDER
    for name in FOLDERS:
        shutil.copytree(source / name, root / name)
    for name in FILES:
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(source / name, root / name)
    for name in IGNORED:
        own = (root / name).read_text().splitlines() if (root / name).exists() else []
        (root / name).write_text("\n".join([*own, (source / name).read_text()]))
    (root / template.GRAPH).write_text(template.graph())
    installed.refresh(root)
