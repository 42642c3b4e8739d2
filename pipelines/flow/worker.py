"""Run stages on other machines, from the worker's side: one chain of stages at a time.

A worker has its own clone and shares with the driver the Prefect server, the DVC remote and git.
"""

import asyncio
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate, WorkPoolCreate
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectAlreadyExists
from prefect.flows import EntrypointType
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed, State
from prefect.workers.process import ProcessWorker

from gpt1.environment import Environment
from pipelines.execution import commands, lockfile
from pipelines.execution.interrupts import handle_interrupts
from pipelines.execution.local import LocalExecutor
from pipelines.execution.workspace import exclusive_lock
from pipelines.flow.pools import FLOW, Results
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
    asyncio.run(ProcessWorker(pool, limit=1).start())


@flow(name=FLOW, validate_parameters=False)
def stages(names: list[str], commit: str, entries: dict[str, Any], parent: str = "") -> State:
    """Run stages one after the other: pull the inputs, `dvc repro --single-item`, push the outputs.

    Args:
        names: The stages, as `dvc repro` takes them.
        commit: The git commit to run them at.
        entries: The entries of `dvc.lock` of all stages upstream.
        parent: The MLflow run of the pipeline, as parent of the stages' runs.
    """
    root = Path(Environment.read().workspace)
    os.chdir(root)
    repo = graph.open_project(root)
    with exclusive_lock(repo), Terminal() as terminal, _heartbeat() as results:
        known = _prepare(root, commit, entries)
        executor = LocalExecutor(repo, {"GPT1_PARENT_RUN": parent} if parent else {})
        with (
            closing(executor),
            handle_interrupts(executor),
            supervise(executor, root, flow_run.id),
        ):
            for name in names:
                if inputs := sorted(known[name].upstream - results.keys()):
                    commands.dvc(root, "pull", *inputs)
                outcome = executor.run(known[name], StageListener(terminal, name))
                if not outcome.good:
                    results[name] = {"status": outcome.status}
                    break
                commands.dvc(root, "push", name)
                results[name] = {"status": outcome.status, "entry": outcome.entry}
    if outcome.status == "cancelled":
        return Cancelled()
    return Completed() if outcome.good else Failed(message="\n".join(outcome.tail))


def _prepare(root: Path, commit: str, entries: dict[str, Any]) -> dict[str, graph.Stage]:
    """Give the clone the commit and the lock entries of the driver; return its stages by name."""
    if commands.git(root, "rev-parse", "HEAD") != commit:
        commands.git(root, "fetch", "--quiet")
        commands.git(root, "checkout", "--quiet", "--force", "--detach", commit)
    known = graph.load(graph.open_project(root)).stages
    for other in known.values():
        if other.name not in entries and not other.name.endswith(".dvc"):
            for out in other.outs:  # of an earlier run; a stage may read the folder around it
                path = root / out
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    lockfile.write(root, entries)
    return known


@contextmanager
def _heartbeat() -> Iterator[Results]:
    """Write the yielded results into an artifact every few seconds, where the driver reads them.

    The heartbeat of a Prefect worker does not say which flow run it has, nor what ended in it.
    """
    results: Results = {}
    over = threading.Event()
    with get_client(sync_client=True) as client:
        key = "stage-" + re.sub(r"[^a-z0-9]+", "-", str(flow_run.id))
        artifact = client.create_artifact(
            ArtifactCreate(key=key, type="markdown", data="", flow_run_id=UUID(flow_run.id))
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
