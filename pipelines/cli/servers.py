"""Commands for the Prefect server and the MLflow server of a project."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines import extension
from pipelines.execution import workspace

app = typer.Typer()


@app.command()
def up(
    prefect_port: Annotated[int, typer.Option(help="Loopback port of the Prefect UI.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(help="Loopback port of the MLflow UI.")] = 5000,
) -> None:
    """Start the Prefect server and the MLflow server, on loopback."""
    from pipelines.flow import servers

    root = _root()
    ports = {"prefect": prefect_port, "mlflow": mlflow_port}
    with servers.starting(root, ports, keep=True) as starting:
        addresses = {kind: server.result().address for kind, server in starting.items()}
    for kind, address in addresses.items():
        print(f"{kind:8} {address}")
    mlflow = addresses["mlflow"]
    if page := extension.comparison_page(root, mlflow):
        print(f"tasks    {page}")


@app.command()
def down() -> None:
    """Stop the servers that `gpt1 up` started."""
    from pipelines.flow import servers

    root = _root()
    if workspace.is_at_work(root):
        print("a `gpt1 run` is at work here; it starts a Prefect server again")
    for kind in servers.KINDS:
        print(f"{kind:8} {'stopped' if servers.stop(root, kind) else 'was not up'}")


@app.command()
def status() -> None:
    """Show which servers are up, and where."""
    from pipelines.flow import servers

    root = _root()
    for kind in servers.KINDS:
        server = servers.running(root, kind)
        state = "is down" if server is None else "up" if servers.healthy(server) else "not healthy"
        print(f"{kind:8} {state} {server.address if server else ''}".rstrip())


def _root() -> Path:
    with workspace.enter() as repo:
        return Path(repo.root_dir)
