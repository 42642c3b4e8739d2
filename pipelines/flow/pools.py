"""Run stages on other machines, from the driver's side: submit them to Prefect work pools.

A stage that asks for a GPU goes to the pool `gpu`, any other to `cpu`, together with the chain of
stages behind it. When a worker sends no heartbeat for too long, the rest of its chain is submitted
again; Prefect itself does not, as it cannot know which stages of a chain had ended.
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
from pipelines.execution import commands, lockfile
from pipelines.execution.executor import TAIL, Listener, Outcome
from pipelines.graph.graph import Graph, Stage

if TYPE_CHECKING:
    from dvc.repo import Repo

FLOW = "stages"
"""The name of the flow that the workers run."""
SILENCE_SECONDS = 60
"""Without a heartbeat for so long, a worker counts as dead."""
POLL_SECONDS = 1.0
Results = dict[str, dict[str, Any]]
"""For each stage that a worker ended its `status`, and if that is good its `entry` of dvc.lock."""


class WorkerExecutor:
    """Runs the stages `launched` on workers, which get data by the DVC remote and code by git.

    Raises UserError when files differ from the git commit.
    """

    def __init__(self, repo: "Repo", graph: Graph, launched: Collection[str], parent: str) -> None:
        """`parent`: the MLflow run for the stages' runs; empty where workers do not reach it."""
        self._repo, self._graph, self._parent = repo, graph, parent
        self._launched = launched
        self._finished_in_chain: dict[str, Outcome] = {}
        self._root = Path(repo.root_dir)
        self._cancelled = threading.Event()
        self._merging = threading.Lock()
        self._commit = _head(self._root)
        self._lock_files = lockfile.LockFiles(repo)

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self, at_once: bool = False) -> None:
        """Cancel the flow runs on the workers at the next poll; `at_once` is not passed on."""
        self._cancelled.set()

    def close(self) -> None:
        """Nothing is open between two stages."""

    def push_inputs(self) -> None:
        """Push to the remote what the workers need of the outputs that are here."""
        stages = self._graph.stages
        needed = {u for name in self._launched for u in stages[name].upstream}
        if here := sorted(needed - {*self._launched}):
            commands.dvc(self._root, "push", *here)

    def run(self, stage: Stage, listener: Listener) -> Outcome:
        """Submit the chain of stages that starts with `stage`, and wait for its end.

        Takes over their entries of `dvc.lock` and their outputs. The scheduler asks for the other
        stages of the chain later; their outcomes are known by then.
        """
        if stage.name in self._finished_in_chain:
            return self._finished_in_chain.pop(stage.name)
        start, tail = time.monotonic(), deque[str](maxlen=TAIL)
        chain, results = self._graph.chain(stage.name, self._launched), Results()
        with get_client(sync_client=True) as client:
            while True:
                run = self._submit([name for name in chain if name not in results])
                alive = self._await(client, run, stage, listener, tail)
                new = _results(client, run)
                self._take_over(new, stage, listener)
                results |= new
                if alive or results.keys() >= {*chain}:  # it died with nothing left to do
                    break
                listener.line(stage.name, "its worker is silent; the next one takes it")
        for name in chain[1:]:
            if name in results:
                self._finished_in_chain[name] = Outcome(results[name]["status"], tail=list(tail))
        missing = {"status": "cancelled" if self.cancelled else "failed"}
        status = results.get(stage.name, missing)["status"]
        return Outcome(status, time.monotonic() - start, tail=list(tail))

    def _take_over(self, results: Results, stage: Stage, listener: Listener) -> None:
        """Merge the entries of the stages that a worker ran, and pull their outputs."""
        good = [name for name in results if "entry" in results[name]]
        if good:
            listener.line(stage.name, "pulling the outputs of the worker")
            with self._merging:
                for name in good:
                    check_entry(self._repo, name, results[name]["entry"])
                    self._lock_files.put(name, results[name]["entry"])
                self._lock_files.flush()
                commands.dvc(self._root, "pull", "--force", *good)

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
        """Pass on the logs of `run` until it ends; False when its worker died before."""
        received, asked_to_end = 0, False
        logs = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
        while True:
            state = client.read_flow_run(run.id).state
            for log in client.read_logs(logs, offset=received, limit=200):
                received += 1
                tail.append(log.message)
                listener.line(stage.name, log.message)
            if state is None or state.is_final():
                return state is None or not state.is_crashed()
            if self.cancelled and not asked_to_end:
                client.set_flow_run_state(run.id, Cancelling())
                asked_to_end = True
            if (state.is_pending() or state.is_running()) and _silence(client, run, state) > (
                SILENCE_SECONDS
            ):
                client.set_flow_run_state(run.id, Crashed(message="silent"), force=True)
                return self.cancelled
            time.sleep(POLL_SECONDS)


def check_entry(repo: "Repo", name: str, entry: lockfile.Entry) -> None:
    """Raise UserError when the stage that ran on a worker differs from the one here."""
    from dvc.stage.loader import StageLoader
    from dvc.stage.serialize import to_single_stage_lockfile
    from dvc.utils.serialize import dumps_yaml, loads_yaml

    with repo.lock:
        repo._reset()
        [stage] = repo.stage.collect(name)
        StageLoader.fill_from_lock(stage, entry)
    if loads_yaml(dumps_yaml(to_single_stage_lockfile(stage))) != entry:
        raise UserError(f"{name} is not the same on its worker as here: is all committed?")


def _head(root: Path) -> str:
    """The commit that the workers check out. Raises UserError when tracked files differ from it."""
    changed = commands.git(root, "status", "--porcelain", "--untracked-files=no").splitlines()
    missing = [line.split()[-1] for line in changed if not line.endswith("dvc.lock")]
    if missing:
        raise UserError(f"workers run what git has: commit {', '.join(missing)} first")
    return commands.git(root, "rev-parse", "HEAD")


def _silence(client: SyncPrefectClient, run: FlowRun, state: Any) -> float:
    """Seconds since the last heartbeat, or since the start of the run without one."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    beats = [artifact.updated for artifact in client.read_artifacts(artifact_filter=of_run)]
    last = max([state.timestamp, *(beat for beat in beats if beat)])
    return float((datetime.now(UTC) - last).total_seconds())


def _results(client: SyncPrefectClient, run: FlowRun) -> Results:
    """What the worker wrote into its heartbeat so far."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    for artifact in client.read_artifacts(artifact_filter=of_run):
        if re.match("stage-", artifact.key or "") and str(artifact.data).startswith("{"):
            return dict(json.loads(str(artifact.data)))
    return {}
