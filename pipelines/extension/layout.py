"""What `gpt1 init` lays out: this project's files, and a `dvc.yaml` that runs installed code."""

import re
import shutil
import sys
from pathlib import Path

import gpt1
from gpt1.errors import UserError
from pipelines.execution import commands
from stages import installed

FOLDERS = ["corpora", "hub", "profiles"]
FILES = ["params.yaml", "params.schema.json", ".dvc/.gitignore", ".dvc/config"]
IGNORED = [".gitignore", ".dvcignore"]
GRAPH = "dvc.yaml"


def lay_out(root: Path) -> None:
    """Write a project into `root`, which may exist and hold other files; nothing is committed.

    Without a git repository around it one is made. A `.gitignore` that is there gets our lines.
    Raises UserError where git is missing or a file is in the way, and then writes nothing.
    """
    taken = [name for name in [GRAPH, str(installed.FILE), ".dvc", *FILES, *FOLDERS]]
    for name in taken:
        if (root / name).exists():
            raise UserError(f"{root / name} is there already; name a folder without it")
    if root.exists() and not root.is_dir():
        raise UserError(f"{root} is a file; name a folder")
    if not shutil.which("git"):
        raise UserError("git is not installed, and DVC needs it (Debian: apt-get install git)")
    root.mkdir(parents=True, exist_ok=True)
    try:
        commands.git(root, "rev-parse", "--git-dir")
    except UserError:
        commands.git(root, "init", "--quiet")
    source = _source()
    for name in FOLDERS:
        shutil.copytree(source / name, root / name)
    for name in FILES:
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(source / name, root / name)
    for name in IGNORED:
        own = (root / name).read_text() if (root / name).exists() else ""
        (root / name).write_text(own + (source / name).read_text())
    (root / GRAPH).write_text(graph_of_installed_code())
    installed.refresh(root)


def graph_of_installed_code() -> str:
    """Our `dvc.yaml` where commands name the installed modules, and `gpt1.json` is all code deps."""
    text = (_source() / GRAPH).read_text()
    text = text.replace("python -m stages.", f"python -m {installed.__package__}.")
    return re.sub(r"(?:^( +- )(?:gpt1|stages)/.*\n)+", rf"\g<1>{installed.FILE}\n", text, flags=re.M)


def tell_of_other_code() -> None:
    """Say that another package is installed, and whether the graph in the project is its own."""
    print(f"another gpt1 is installed than {installed.FILE} said: all stages run again", file=sys.stderr)
    if Path(GRAPH).read_text() != graph_of_installed_code():
        print(
            f"{GRAPH} is not the one of this gpt1; `gpt1 init` writes that into another folder, to compare",
            file=sys.stderr,
        )


def _source() -> Path:
    """The folder that has all of it: in the installed package, or the clone."""
    package = Path(gpt1.__file__).parent
    packed = package / "_project"
    return packed if packed.is_dir() else package.parent
