"""What `gpt1 init` lays out: this project's files, and a `dvc.yaml` that runs installed code."""

import shutil
from difflib import unified_diff
from pathlib import Path

from gpt1.errors import UserError, one_line
from gpt1.files import publish
from pipelines.execution import commands
from pipelines.extension import template
from stages import installed

SCHEMAS = ["params.schema.json", "profiles/params.schema.json"]
"""Generated, and not for people to edit."""
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
    template.check_packages(root)
    if not shutil.which("git"):
        raise UserError("git is not installed, and DVC needs it (Debian: apt-get install git)")
    try:
        others = sorted(path.name for path in root.iterdir()) if root.exists() else []
        _write(root)
        return [name for name in others if not name.startswith(".git")]
    except OSError as error:
        raise UserError(f"{root}: {one_line(error)}") from None


def update(root: Path) -> list[str]:
    """Replace `dvc.yaml` and the schemas below `root` by the installed package's own.

    Returns the names of the files that were replaced. Raises UserError where `root` was not laid
    out, or where `dvc.yaml` was edited since: then its difference is printed and nothing written.
    """
    if not template.is_laid_out(root):
        raise UserError(f"{root}: {installed.FILE} is missing, so `gpt1 init` did not lay it out")
    template.check_packages(root)
    new = {template.GRAPH: template.graph()}
    new |= {name: (template.FOLDER / name).read_text() for name in SCHEMAS}
    new = {name: text for name, text in new.items() if (root / name).parent.is_dir()}
    old = {name: template.text_of(root / name) for name in new}
    graph = template.GRAPH
    if old[graph] not in ("", new[graph]) and not template.is_as_laid_out(old[graph]):
        mine, newer = old[graph].splitlines(), new[graph].splitlines()
        names = str(root / graph), "of the package"
        print("\n".join(unified_diff(mine, newer, *names, lineterm="")))
        raise UserError(
            f"{root / graph} was edited, so it was not replaced: bring what differs (above) into "
            "it, or remove it and run this again"
        )
    replaced = [name for name in new if old[name] != new[name]]
    for name in replaced:
        with publish(root / name) as beside:
            beside.write_text(new[name])
    return replaced


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
