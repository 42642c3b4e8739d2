"""A worker: one chain of stages at a time in a clone of its own, for a driver elsewhere.

It shares nothing with the driver but the Prefect server, the DVC remote and git.
"""

import asyncio
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
from pipelines import commands, graph, lockfile, pools, workspace
from pipelines import flow as flows
from pipelines.runner import Runner
from pipelines.terminal import Terminal

BEAT_SECONDS = 5.0


def work(pool: str) -> None:
    """Take stages from `pool` until ended; the pool is made where it is missing."""
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    deployed = stages.to_deployment(
        pool, work_pool_name=pool, entrypoint_type=EntrypointType.MODULE_PATH
    )
    cast(RunnerDeployment, deployed).apply()
    asyncio.run(ProcessWorker(pool, limit=1).start())


@flow(name=pools.FLOW, validate_parameters=False)
def stages(names: list[str], commit: str, entries: dict[str, Any], parent: str = "") -> State:
    """Run stages one after the other: pull what each reads, `dvc repro --single-item`, push.

    Args:
        names: The stages, as `dvc repro` calls them.
        commit: The git commit to run them at.
        entries: What `dvc.lock` says of all the stages they hang on.
        parent: The MLflow run that their own are to stand below.
    """
    root = Path(Environment.read().workspace)
    os.chdir(root)
    with workspace.held(graph.open_project(root)), Terminal() as terminal, _beating() as told:
        known = _prepare(root, commit, entries)
        runner = Runner(root, {"GPT1_PARENT_RUN": parent} if parent else {})
        with flows.ends_on_signals(runner), flows.watched(runner, root, flow_run.id):
            for name in names:
                if pulled := sorted(known[name].upstream - told.keys()):
                    commands.dvc(root, "pull", *pulled)
                outcome = runner.run(known[name], flows.Listener(terminal, name))
                if not outcome.good:
                    told[name] = {"status": outcome.status}
                    break
                commands.dvc(root, "push", name)
                told[name] = {"status": outcome.status, "entry": lockfile.entries(root)[name]}
    if outcome.status == "cancelled":
        return Cancelled()
    return Completed() if outcome.good else Failed(message="\n".join(outcome.tail))


def _prepare(root: Path, commit: str, entries: dict[str, Any]) -> dict[str, graph.Stage]:
    """Make the clone what the driver's workspace is, as far as the stages can see."""
    if commands.git(root, "rev-parse", "HEAD") != commit:
        commands.git(root, "fetch", "--quiet")
        commands.git(root, "checkout", "--quiet", "--force", "--detach", commit)
    known = graph.load(graph.open_project(root)).stages
    for other in known.values():
        if other.name not in entries and not other.name.endswith(".dvc"):
            for out in other.outs:  # of another day; a folder is read whole
                path = root / out
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    lockfile.write(root, entries)
    return known


@contextmanager
def _beating() -> Iterator[dict[str, Any]]:
    """An artifact that is touched while this process lives, and tells the driver what ended."""
    told: dict[str, Any] = {}
    over = threading.Event()
    with get_client(sync_client=True) as client:
        key = "stage-" + re.sub(r"[^a-z0-9]+", "-", str(flow_run.id))
        made = client.create_artifact(
            ArtifactCreate(key=key, type="markdown", data="", flow_run_id=UUID(flow_run.id))
        )

        def beat() -> None:
            while not over.wait(BEAT_SECONDS):
                with suppress(Exception):  # a server that is away for a moment ends nothing
                    client.update_artifact(made.id, ArtifactUpdate(data=json.dumps(told)))

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield told
        finally:
            over.set()
            thread.join()
            client.update_artifact(made.id, ArtifactUpdate(data=json.dumps(told)))
