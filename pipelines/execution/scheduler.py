"""The stage scheduler: independent stages in parallel, each after its upstream, within the machine.

Not Prefect's concurrency limits: these count slots, know neither GiB nor a stage that must not be
overtaken, and need a server.
"""

import math
import queue
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from graphlib import TopologicalSorter

from gpt1 import machine
from pipelines.execution import gpus
from pipelines.execution.executor import Outcome
from pipelines.graph.graph import Graph, Needs, Stage

UNLIMITED = 1 << 30
RESOURCES = ("cpu", "gpu", "memory")
ON_WORKERS = 200
"""How many stages the workers are given at one time; each costs a thread here."""


@dataclass(frozen=True)
class Capacity:
    """What the stages that run at one time may use together."""

    cpu: int
    gpu: float
    memory: float
    """GiB."""
    stages: int = UNLIMITED

    @classmethod
    def of_this_machine(cls, needs: Iterable[Needs], workers: int | None = None) -> "Capacity":
        """What stages with these `needs` may use; `workers` replaces the number of cores.

        Without a GPU, stages that ask for one run on the cores, without a limit for GPUs. GPUs are
        counted, which takes seconds, only if a stage asks for one.
        """
        count = len(gpus.here()) if any(each.gpu for each in needs) else 0
        return cls(workers or machine.cores(), count or UNLIMITED, machine.memory() / 2**30)

    @classmethod
    def of_workers(cls) -> "Capacity":
        """For stages on workers, which keep the limits: each takes one chain at a time."""
        return cls(UNLIMITED, UNLIMITED, math.inf, ON_WORKERS)

    def short_of(self, needs: Needs, taken: Sequence[Needs]) -> set[str]:
        """The resources that do not suffice for `needs` beside `taken`.

        A stage that needs more than the machine has runs while no other uses that resource.
        """
        return {
            resource
            for resource in RESOURCES
            if (wanted := getattr(needs, resource))
            and (used := sum(getattr(other, resource) for other in taken)) > 0
            and used + wanted > getattr(self, resource) + 1e-9  # 0.1 + 0.2 + 0.7
        }


def run_all(
    graph: Graph,
    names: Iterable[str],
    launch: Callable[[Stage, Callable[[Outcome], None]], None],
    capacity: Capacity,
    *,
    keep_going: bool = True,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, Outcome]:
    """Launch the stages `names`, each after its upstream, and return the outcome of each.

    `launch(stage, done)` starts a stage without waiting and calls `done(outcome)` at its end, from
    any thread. Stages downstream of a failed one are skipped; without `keep_going` all others are
    too. `stopped` is polled twice a second: once it is true, nothing more is launched.
    """
    chosen, counts = {*names}, graph.downstream_counts()
    ranks = {name: (-counts[name], place) for place, name in enumerate(graph.stages)}
    order = TopologicalSorter({name: graph.stages[name].upstream & chosen for name in chosen})
    order.prepare()
    ready: list[str] = []
    running: dict[str, Stage] = {}
    outcomes: dict[str, Outcome] = {}
    ended: queue.Queue[tuple[str, Outcome]] = queue.Queue()
    failed = False
    while order.is_active():
        if new := order.get_ready():
            ready = sorted([*ready, *new], key=ranks.__getitem__)
        halted = stopped() or (failed and not keep_going)
        skipped = [name for name in ready if halted or _lacks(graph.stages[name], outcomes)]
        for name in skipped:
            ready.remove(name)
            outcomes[name] = Outcome("skipped")
            order.done(name)
        for stage in _startable([graph.stages[name] for name in ready], running, capacity):
            ready.remove(stage.name)
            running[stage.name] = stage
            launch(stage, partial(_put, ended, stage.name))
        if running:
            try:
                name, outcome = ended.get(timeout=0.5)
            except queue.Empty:  # poll `stopped`: a signal may have come
                continue
            del running[name]
            outcomes[name] = outcome
            failed |= outcome.status == "failed"
            order.done(name)
    return outcomes


def _lacks(stage: Stage, outcomes: Mapping[str, Outcome]) -> bool:
    """Whether a stage upstream did not end well."""
    return any(name in outcomes and not outcomes[name].good for name in stage.upstream)


def _startable(
    ready: Iterable[Stage], running: Mapping[str, Stage], capacity: Capacity
) -> list[Stage]:
    """The stages that may start now, in the order of `ready`.

    A lighter stage must not take what a heavier one before it waits for.
    """
    found: list[Stage] = []
    taken = [stage.needs for stage in running.values()]
    short: dict[Needs, set[str]] = {}  # of a thousand cells most need the same
    awaited: set[str] = set()
    for stage in ready:
        if len(taken) >= capacity.stages:
            break
        needs = stage.needs
        if needs not in short:
            short[needs] = capacity.short_of(needs, taken)
        awaited |= short[needs]
        if not short[needs] and not any(getattr(needs, resource) for resource in awaited):
            found.append(stage)
            taken.append(needs)
            short.clear()
    return found


def _put(ended: queue.Queue[tuple[str, Outcome]], name: str, outcome: Outcome) -> None:
    ended.put((name, outcome))
