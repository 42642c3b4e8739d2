"""Prefect in this process: connected to the server that is up, or to one that ends with the run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gpt1.environment import Environment
from pipelines import extension
from pipelines.flow import servers


@contextmanager
def prefect_session() -> Iterator[None]:
    """Set Prefect up for the project in the current folder; import `prefect` only in the block.

    PREFECT_API_URL names a shared server; without it a server of this project is used, and started
    where none runs. A real one, because Prefect's ephemeral server loses records.
    """
    root = Path.cwd()
    os.environ |= servers.environment(root) | {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
    if os.environ.get("PREFECT_API_URL"):
        yield
        return
    with servers.starting(root, {"prefect": 0}) as starting:
        with suppress(Exception):  # whoever needs MLflow reports it
            extension.connect_mlflow(root, Environment.read().tracking)  # takes seconds as well
        server = starting["prefect"].result()
    os.environ["PREFECT_API_URL"] = f"{server.address}/api"
    try:
        yield
    finally:
        current = servers.running(root, "prefect")
        if current and not servers.wanted_by_others(current):
            _flush()
        servers.stop(root, "prefect", spare=servers.wanted_by_others)


def _flush() -> None:
    """Send the logs and events that Prefect still holds."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()
    EventsWorker.drain_all(timeout=5)
