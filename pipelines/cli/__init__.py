"""The `gpt1` command: `main` is its entry point, and each other module has a group of commands.

A command imports what it needs when it runs: DVC, Prefect, MLflow and PyTorch take seconds each.
"""

import signal
import sys
from importlib import metadata
from typing import Annotated

import typer

from gpt1.errors import UserError
from pipelines.cli import history, run, servers
from pipelines.execution import interrupts
from pipelines.extension import commands


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gpt1 {metadata.version('gpt1')}")
        raise typer.Exit


app = typer.Typer(
    help="GPT-1 as a versioned workflow: books in, a compared set of models out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for group in (run, history, servers, commands):
    app.add_typer(group.app)


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="And exit.")
    ] = False,
) -> None: ...


def main() -> None:
    """Run a command. A UserError is printed in one line and exits with status 1."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in interrupts.endings():  # unlike a kill, an exit cleans up
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        app()
    except UserError as error:
        sys.exit(f"error: {error}")
