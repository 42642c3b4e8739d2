"""A thread beside a run: it obeys a cancel in Prefect's UI and restarts a server that died."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType

from pipelines.execution.executor import Executor
from pipelines.flow import servers

POLL_SECONDS = 1.0
ENDED = {StateType.CANCELLING, StateType.CANCELLED, StateType.CRASHED}
"""Crashed: the driver takes this worker for dead, and gives its stages to the next."""


@contextmanager
def supervise(executor: Executor, root: Path, run: str | None) -> Iterator[None]:
    """Poll the state of the flow run `run`; cancel `executor` when someone cancelled it in the UI.

    A Prefect server of this project that dies is started again on the same port.
    """
    over = threading.Event()
    server = servers.running(root, "prefect")

    def revive() -> None:
        if server and not servers.running(root, "prefect"):
            servers.start(root, "prefect", server.port, server.keep)

    def poll() -> None:
        with get_client(sync_client=True) as client:
            while not over.wait(POLL_SECONDS):
                with suppress(Exception):  # a server that is away for a moment ends nothing
                    revive()
                    state = client.read_flow_run(UUID(run)).state
                    if state and (
                        state.is_cancelling() or state.is_cancelled() or state.is_crashed()
                    ):
                        executor.cancel()
                        return

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        revive()  # it must receive the final state of the run
