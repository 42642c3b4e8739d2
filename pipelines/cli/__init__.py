"""The `gpt1` command: `main` is its entry point, and each other module has a group of commands.

A command imports what it needs when it runs: DVC, Prefect, MLflow and PyTorch take seconds each.
"""

import signal
import sys

import typer

from gpt1.errors import UserError
from pipelines.cli import history, run, servers
from pipelines.execution import interrupts
from pipelines.extension import commands

app = typer.Typer(
    help="GPT-1 as a versioned workflow: books in, a compared set of models out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (run, history, servers, commands):
    app.add_typer(group.app)


def main() -> None:
    """Run a command. A UserError is printed in one line and exits with status 1."""
    for number in interrupts.endings():  # unlike a kill, an exit cleans up
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        app()
    except UserError as error:
        sys.exit(f"error: {error}")
