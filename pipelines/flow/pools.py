"""Run stages on other machines, from the driver's side: submit them to Prefect work pools.

A stage that asks for a GPU goes to the pool `gpu`, any other to `cpu`, together with the chain of
stages behind it. When a worker sends no heartbeat for too long, the rest of its chain is submitted
again; Prefect itself does not, as it cannot know which stages of a chain had ended.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from gpt1.errors import UserError
from pipelines.execution import clone, commands, lockfile
from pipelines.execution.executor import TAIL, Listener, Outcome
from pipelines.flow.polling import End, FlowRuns, Results
from pipelines.graph.graph import Graph, Stage

if TYPE_CHECKING:
    from dvc.repo import Repo

FLOW = "stages"
"""The name of the flow that the workers run."""
TRIES = 3
"""A stage whose worker dies is tried on so many: its memory may be what kills them."""


class WorkerExecutor:
    """Runs the stages `launched` on workers, which get data by the DVC remote and code by git.

    Raises UserError when files differ from the git commit, or a pool has no worker.
    """

    def __init__(
        self,
        repo: "Repo",
        graph: Graph,
        launched: Collection[str],
        parent: str,
        force: bool = False,
    ) -> None:
        """`parent`: the MLflow run for the stages' runs; empty where workers do not reach it.

        `force`: run the stages even where DVC finds nothing changed.
        """
        self._repo, self._graph, self._launched = repo, graph, launched
        self._parent, self._force = parent, force
        self._finished_in_chain: dict[str, Outcome] = {}
        self._root = Path(repo.root_dir)
        self._cancelled = threading.Event()
        self._merging, self._submitting = threading.Lock(), threading.Lock()
        self._commit = _head(self._root)
        self._entries = lockfile.entries(self._root)
        self._lock_files = lockfile.LockFiles(repo)
        self._deployments = self._find_deployments()
        self._flow_runs = FlowRuns()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self, at_once: bool = False) -> None:
        """Cancel the flow runs on the workers at the next poll; `at_once` is not passed on."""
        self._cancelled.set()
        self._flow_runs.cancel()

    def close(self) -> None:
        self._flow_runs.close()

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

        def say(line: str) -> None:
            tail.append(line)
            listener.line(stage.name, line)

        chain = self._graph.chain(stage.name, self._launched)
        results, deaths = Results(), Counter[str]()
        while not self.cancelled:
            left = [name for name in chain if name not in results]
            end = self._run_on_worker(left, self._pool(stage), say)
            self._take_over(end.results, say)
            results |= end.results
            victims = [name for name in left if name not in results]
            failed = any(result["status"] == "failed" for result in results.values())
            if not victims or failed or end.fate == "ended":
                break
            victim = victims[0]
            deaths[victim] += end.fate == "died"
            if deaths[victim] == TRIES:
                results[victim] = {"status": "failed"}
                say(f"{victim} was given up: {TRIES} workers died while they ran it")
                break
            what = "died" if end.fate == "died" else "was interrupted"
            why = end.message.partition(". ")[0]  # Prefect's advice follows
            say(f"{victim}: its worker {what} ({why}); the next one takes it")
        seconds, missing = time.monotonic() - start, "cancelled" if self.cancelled else "failed"
        results.setdefault(stage.name, {"status": missing})
        outcomes = {
            name: Outcome(result["status"], seconds, tail=list(tail), entry=result.get("entry"))
            for name, result in results.items()
        }
        self._finished_in_chain |= {name: outcomes[name] for name in chain[1:] if name in outcomes}
        return outcomes[stage.name]

    def _run_on_worker(self, names: list[str], pool: str, say: Callable[[str], None]) -> End:
        """Submit stages as one flow run, and pass on its log lines until its end."""
        needed = self._graph.upstream(names)
        parameters = {
            "names": names,
            "commit": self._commit,
            "entries": {n: entry for n, entry in self._entries.items() if n in needed},
            "parent": self._parent,
            "force": self._force,
        }
        with self._submitting:  # some requests each: not all at once
            run: Any = run_deployment(
                self._deployments[pool],
                parameters=parameters,
                flow_run_name=names[0],
                timeout=0,
            )
        end = self._flow_runs.follow(run.id, say)
        if end.fate == "ended" and not end.results:
            say(end.message)
        return end

    def _take_over(self, results: Results, say: Callable[[str], None]) -> None:
        """Merge the entries of the stages that a worker ran, and pull their outputs."""
        good = {name: result["entry"] for name, result in results.items() if result.get("entry")}
        if good:
            say("pulling the outputs of the worker")
            with self._merging:
                for name, entry in good.items():
                    check_entry(self._repo, name, entry)
                    self._lock_files.put(name, entry)
                self._lock_files.flush()
                self._entries = self._entries | good
                commands.dvc(self._root, "pull", "--force", *good)

    def _find_deployments(self) -> dict[str, UUID]:
        """For each pool that stages go to its deployment, which the first worker made."""
        chained: set[str] = set()
        pools: set[str] = set()
        for name in self._launched:  # in topological order
            if name not in chained:
                pools.add(self._pool(self._graph.stages[name]))
                chained |= {*self._graph.chain(name, self._launched)}
        found, project = {}, clone.project_id(self._root)
        with get_client(sync_client=True) as client:
            for pool in sorted(pools):
                name = f"{FLOW}/{pool}-{project}"
                try:
                    found[pool] = client.read_deployment_by_name(name).id
                except ObjectNotFound:
                    raise UserError(
                        f"no worker of this project ({project}) was ever there for the pool "
                        f"{pool}: start `gpt1 work {pool}` in a clone"
                    ) from None
        return found

    def _pool(self, stage: Stage) -> str:
        return "gpu" if stage.needs.gpu else "cpu"


def check_entry(repo: "Repo", name: str, entry: lockfile.Entry) -> None:
    """Raise UserError when the stage that ran on a worker differs from the one here."""
    from dvc.stage.serialize import to_single_stage_lockfile
    from dvc.utils.serialize import dumps_yaml, loads_yaml

    with repo.lock:
        repo._reset()
        stage = lockfile.load_stage(repo, name, entry)
    if loads_yaml(dumps_yaml(to_single_stage_lockfile(stage))) != entry:
        raise UserError(f"{name} is not the same on its worker as here: is all committed?")


def _head(root: Path) -> str:
    """The commit that the workers check out. Raises UserError when tracked files differ from it."""
    changed = commands.git(root, "status", "--porcelain", "--untracked-files=no").splitlines()
    missing = [line.split()[-1] for line in changed if not line.endswith("dvc.lock")]
    if missing:
        raise UserError(f"workers run what git has: commit {', '.join(missing)} first")
    return commands.git(root, "rev-parse", "HEAD")
