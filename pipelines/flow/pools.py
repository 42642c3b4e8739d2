"""The driver's side of work on other machines: stages go to Prefect work pools, entries come back.

A stage that asks for a GPU goes to the pool `gpu`, any other to `cpu`, and the stages that wait for
it alone go with it. A worker that is silent for too long has died, and what it had left to do goes
to the next one.
"""

import json
import re
import threading
import time
from collections import deque
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling, Crashed

from gpt1.errors import UserError
from pipelines import commands, lockfile
from pipelines.graph import Graph, Stage
from pipelines.runner import TAIL, Listener, Outcome

if TYPE_CHECKING:
    from dvc.repo import Repo

FLOW = "stages"
"""The name of the flow that the workers run."""
SILENCE_SECONDS = 60
LOOK_SECONDS = 1.0


class Pools:
    """Runs stages on workers. What they need has to be in the DVC remote, and the code in git."""

    def __init__(
        self,
        repo: "Repo",
        graph: Graph,
        launched: Collection[str],
        parent: str,
        cancelled: threading.Event,
    ) -> None:
        self.cancelled = cancelled
        self._repo, self._graph, self._parent = repo, graph, parent
        self._launched = launched
        self._came_along: dict[str, Outcome] = {}
        self._root = Path(repo.root_dir)
        self._merging = threading.Lock()
        self._commit = _committed(self._root)

    def push(self) -> None:
        """Give the remote what was made here and is needed there."""
        stages = self._graph.stages
        needed = {u for name in self._launched for u in stages[name].upstream}
        if here := sorted(needed - {*self._launched}):
            commands.dvc(self._root, "push", *here)

    def run(self, stage: Stage, listener: Listener) -> Outcome:
        """Have a worker run `stage`, and those behind it that wait for it alone.

        Their entries of `dvc.lock` and their outputs are taken over.
        """
        if stage.name in self._came_along:
            return self._came_along.pop(stage.name)
        start, tail = time.monotonic(), deque[str](maxlen=TAIL)
        chain, told = self._graph.chain(stage.name, self._launched), dict[str, Any]()
        with get_client(sync_client=True) as client:
            while True:
                run = self._submit([name for name in chain if name not in told])
                alive = self._await(client, run, stage, listener, tail)
                told |= self._take_over(_told(client, run), stage, listener)
                if alive or told.keys() >= {*chain}:  # it died with nothing left to do
                    break
                listener.line(stage.name, "its worker is silent; the next one takes it")
        for name in chain[1:]:
            if name in told:
                self._came_along[name] = Outcome(told[name]["status"], tail=list(tail))
        unheard = "cancelled" if self.cancelled.is_set() else "failed"
        status = told.get(stage.name, {"status": unheard})["status"]
        return Outcome(status, time.monotonic() - start, tail=list(tail))

    def _take_over(self, told: dict[str, Any], stage: Stage, listener: Listener) -> dict[str, Any]:
        """What was told, once all of it that has an entry is here."""
        made = [name for name in told if "entry" in told[name]]
        if made:
            listener.line(stage.name, "pulling what the worker made")
            with self._merging:
                for name in made:
                    merge(self._repo, name, told[name]["entry"])
                commands.dvc(self._root, "pull", "--force", *made)
        return told

    def _submit(self, chain: list[str]) -> FlowRun:
        pool = "gpu" if self._graph.stages[chain[0]].needs.gpu else "cpu"
        entries = lockfile.entries(self._root)
        parameters: dict[str, Any] = {
            "names": chain,
            "commit": self._commit,
            "entries": {n: entries[n] for n in self._graph.upstream(chain) if n in entries},
            "parent": self._parent,
        }
        try:
            return run_deployment(  # type: ignore[return-value]
                f"{FLOW}/{pool}", parameters=parameters, flow_run_name=chain[0], timeout=0
            )
        except ObjectNotFound:
            raise UserError(
                f"no worker was ever there for the pool {pool}: start `gpt1 work {pool}` in a clone"
            ) from None

    def _await(
        self,
        client: SyncPrefectClient,
        run: FlowRun,
        stage: Stage,
        listener: Listener,
        tail: deque[str],
    ) -> bool:
        """Pass on what it says until its end; False when its worker died on the way."""
        heard, asked = 0, False
        logs = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
        while True:
            state = client.read_flow_run(run.id).state
            for log in client.read_logs(logs, offset=heard, limit=200):
                heard += 1
                tail.append(log.message)
                listener.line(stage.name, log.message)
            if state is None or state.is_final():
                return state is None or not state.is_crashed()
            if self.cancelled.is_set() and not asked:
                client.set_flow_run_state(run.id, Cancelling())
                asked = True
            if (state.is_pending() or state.is_running()) and _silence(client, run, state) > (
                SILENCE_SECONDS
            ):
                client.set_flow_run_state(run.id, Crashed(message="silent"), force=True)
                return self.cancelled.is_set()
            time.sleep(LOOK_SECONDS)


def merge(repo: "Repo", name: str, entry: lockfile.Entry) -> None:
    """Have DVC write down what another machine made, as if it had been made here.

    Raises UserError when the stage is another one there than here.
    """
    from dvc.stage.loader import StageLoader

    with repo.lock:
        repo._reset()
        [stage] = repo.stage.load_all(name=name)
        StageLoader.fill_from_lock(stage, entry)
        stage.dump(update_pipeline=False)
    if lockfile.entries(Path(repo.root_dir))[name] != entry:
        raise UserError(f"{name} is not the same on its worker as here: is all committed?")


def _committed(root: Path) -> str:
    """The commit that the workers check out. Raises UserError when they would miss something."""
    changed = commands.git(root, "status", "--porcelain", "--untracked-files=no").splitlines()
    missing = [line.split()[-1] for line in changed if not line.endswith("dvc.lock")]
    if missing:
        raise UserError(f"workers run what git has: commit {', '.join(missing)} first")
    return commands.git(root, "rev-parse", "HEAD")


def _silence(client: SyncPrefectClient, run: FlowRun, state: Any) -> float:
    """Seconds since the worker was last heard of."""
    ours = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    beats = [artifact.updated for artifact in client.read_artifacts(artifact_filter=ours)]
    last = max([state.timestamp, *(beat for beat in beats if beat)])
    return float((datetime.now(UTC) - last).total_seconds())


def _told(client: SyncPrefectClient, run: FlowRun) -> dict[str, Any]:
    """The status of each stage that ended, and the entry of each that is made."""
    ours = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    for artifact in client.read_artifacts(artifact_filter=ours):
        if re.match("stage-", artifact.key or "") and str(artifact.data).startswith("{"):
            return dict(json.loads(str(artifact.data)))
    return {}
