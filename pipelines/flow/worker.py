"""Run stages on other machines, from the worker's side: one chain of stages at a time.

A worker shares with the driver the Prefect server, the DVC remote and git. It runs stages in a
clone of its own (`pipelines.execution.clone`), never in the one that it is started in.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psutil
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate, WorkPoolCreate
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists
from prefect.flows import EntrypointType
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Crashed, Failed, State
from prefect.workers.process import ProcessWorker

from gpt1.environment import Environment
from gpt1.errors import UserError
from pipelines import extension
from pipelines.execution import clone, commands, lockfile
from pipelines.execution.executor import Outcome
from pipelines.execution.interrupts import endings, handle_interrupts
from pipelines.execution.local import LocalExecutor
from pipelines.execution.workspace import exclusive_lock, remove_partial_outputs
from pipelines.flow.polling import INTERRUPTED, Results, heartbeat_key
from pipelines.flow.pools import FLOW
from pipelines.flow.supervision import supervise
from pipelines.flow.tasks import StageListener
from pipelines.flow.terminal import Terminal
from pipelines.graph import graph

HEARTBEAT_SECONDS = 5.0


def work(pool: str) -> None:
    """Take flow runs from the work pool `pool` until a signal; creates a missing pool."""
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    deployed = stages.to_deployment(
        pool, work_pool_name=pool, entrypoint_type=EntrypointType.MODULE_PATH
    )
    cast(RunnerDeployment, deployed).apply()
    if number := asyncio.run(_take_flow_runs(pool)):
        sys.exit(128 + number)


async def _take_flow_runs(pool: str) -> int:
    """Work until a signal, whose number is returned. It lets the stage save its state.

    A second SIGINT kills the stage.
    """
    received: list[int] = []
    told = asyncio.Event()

    def hear(number: int) -> None:
        received.append(number)
        told.set()

    for number in (signal.SIGINT, *endings()):
        asyncio.get_running_loop().add_signal_handler(number, hear, number)
    # Prefect's worker would kill its process at once.
    worker = asyncio.create_task(ProcessWorker(pool, limit=1).start())
    first = asyncio.create_task(told.wait())
    await asyncio.wait({worker, first}, return_when=asyncio.FIRST_COMPLETED)
    if worker.done():
        await worker
        return 0
    for process in _flow_run_processes():
        process.terminate()
    while _flow_run_processes() and received.count(signal.SIGINT) < 2:
        await asyncio.sleep(0.05)
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker
    return received[0]


def _flow_run_processes() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


@flow(name=FLOW, validate_parameters=False)
def stages(
    names: list[str],
    commit: str,
    entries: dict[str, Any],
    parent: str = "",
    force: bool = False,
) -> State:
    """Run stages one after the other: pull the inputs, `dvc repro --single-item`, push the outputs.

    Args:
        names: The stages, as `dvc repro` takes them.
        commit: The git commit to run them at.
        entries: The entries of `dvc.lock` of all stages upstream.
        parent: The MLflow run of the pipeline, as parent of the stages' runs.
        force: Run the stages even where DVC finds nothing changed.
    """
    try:
        outcome = _run(names, commit, entries, parent, force)
    except UserError as error:
        return Failed(message=str(error))
    if outcome.status == "cancelled":
        if _is_cancelled():
            return Cancelled()
        return Crashed(name=INTERRUPTED, message="it was told to end")
    return Completed() if outcome.good else Failed(message="\n".join(outcome.tail))


def _is_cancelled() -> bool:
    """Whether the flow run was cancelled; else a signal came, as from a scheduler of machines."""
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(flow_run.id)).state
    return bool(state and (state.is_cancelling() or state.is_cancelled()))


def _run(
    names: list[str], commit: str, entries: dict[str, Any], parent: str, force: bool
) -> Outcome:
    """The outcome of the last stage that was run."""
    root = Path(Environment.read().workspace)
    os.chdir(root)
    repo = graph.open_project(root)
    with exclusive_lock(repo), Terminal() as terminal, _heartbeat() as results:
        known = _prepare(root, commit, entries)
        with (
            extension.recorder() as recorder,
            closing(LocalExecutor(repo, recorder | {"GPT1_PARENT_RUN": parent}, force)) as executor,
            handle_interrupts(executor),
            supervise(executor, root, flow_run.id),
        ):
            for name in names:
                if inputs := sorted(known[name].upstream - results.keys()):
                    commands.dvc(root, "pull", "--force", *inputs)
                outcome = executor.run(known[name], StageListener(terminal, name))
                if outcome.status == "failed":
                    results[name] = {"status": "failed"}
                if not outcome.good:
                    break
                commands.dvc(root, "push", name)
                results[name] = {"status": outcome.status, "entry": outcome.entry}
    return outcome


def _prepare(root: Path, commit: str, entries: dict[str, Any]) -> dict[str, graph.Stage]:
    """Give the clone the commit and the lock entries of the driver; return its stages by name."""
    clone.check_out(root, commit)
    loaded = graph.load(graph.open_project(root))
    remove_partial_outputs(loaded, root)
    kept = [s for s in loaded.stages.values() if s.name in entries or s.name.endswith(".dvc")]
    clone.clean(root, keep=[out for stage in kept for out in stage.outs])
    lockfile.write(root, entries)
    return loaded.stages


@contextmanager
def _heartbeat() -> Iterator[Results]:
    """Write the yielded results into an artifact every few seconds, where the driver reads them.

    The heartbeat of a Prefect worker does not say which flow run it has, nor what ended in it.
    """
    results: Results = {}
    over = threading.Event()
    with get_client(sync_client=True) as client:
        run = UUID(flow_run.id)
        artifact = client.create_artifact(
            ArtifactCreate(key=heartbeat_key(run), type="markdown", data="", flow_run_id=run)
        )

        def beat() -> None:
            while not over.wait(HEARTBEAT_SECONDS):
                with suppress(Exception):  # a server that is away for a moment ends nothing
                    client.update_artifact(artifact.id, ArtifactUpdate(data=json.dumps(results)))

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield results
        finally:
            over.set()
            thread.join()
            client.update_artifact(artifact.id, ArtifactUpdate(data=json.dumps(results)))
