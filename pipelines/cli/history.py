"""Commands about what earlier runs read and wrote."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.execution import workspace

app = typer.Typer()


@app.command()
def lineage(
    target: Annotated[str, typer.Argument(help="A file, a folder, or an MLflow run.")],
) -> None:
    """Show what a file was made from, back to the raw data, and what was made from it."""
    from rich.console import Console

    from pipelines.history.lineage import Lineage

    path = Path(target).absolute()
    with workspace.enter() as repo:
        known = Lineage(Path(repo.root_dir))
    if path.exists():
        target = str(path.parent.resolve() / path.name)  # not the path itself, a link to the cache
    execution, console = known.find(target), Console(highlight=False)
    console.print("made from", known.back(execution), sep="\n")
    console.print("used for", known.forward(execution), sep="\n")


@app.command()
def checkout(run: Annotated[str, typer.Argument(help="An MLflow run.")]) -> None:
    """Bring back the data and models of a run, from the cache or the remote."""
    from pipelines.history.lineage import Lineage

    with workspace.enter() as repo, workspace.exclusive_lock(repo) as root:
        known = Lineage(root)
        execution = known.find(run)
        for stage in known.checkout(execution):
            print(f"brought back  {stage}")
    if execution.commit:
        print(f"its params and code: git checkout {execution.commit}")


@app.command()
def prune(yes: Annotated[bool, typer.Option("--yes", help="Remove it.")] = False) -> None:
    """Show what no lock entry, branch or kept run needs; with --yes remove it."""
    from rich.filesize import decimal

    from pipelines.history import prune

    with workspace.enter() as repo, workspace.exclusive_lock(repo) as root:
        found = prune.find_prunable(repo)
        for stage in found.stages:
            print(f"dead stage  {stage}")
        for path, size in found.sizes(root).items():
            print(f"{decimal(size):>10}  {path}")
        if prune.shares_cache(repo):
            print(f"not searched: the cache {repo.cache.local_cache_dir}, which others may use")
        if yes:
            prune.remove(repo, found)
        elif found.stages or found.files or found.cached:
            print("`gpt1 prune --yes` frees it")
