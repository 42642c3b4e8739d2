"""The stage scheduler: independent stages in parallel, each after its upstream, within the machine.

Not Prefect's concurrency limits: these count slots, know neither GiB nor a stage that must not be
overtaken, and need a server.
"""

import math
import queue
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial

from gpt1 import machine
from pipelines.execution import gpus
from pipelines.execution.executor import Outcome
from pipelines.graph.graph import Graph, Needs, Stage

UNLIMITED = 1 << 30
ON_WORKERS = 200
"""How many stages the workers are given at one time; each costs a thread here."""


@dataclass(frozen=True)
class Capacity:
    """What the stages that run at one time may use together."""

    cpu: int
    gpu: int
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

    def short_of(self, needs: Needs, taken: Iterable[Needs]) -> set[str]:
        """The resources that do not suffice for `needs` beside `taken`.

        A stage that needs more than the machine has runs while no other uses that resource.
        """
        beside = [asdict(other) for other in taken]
        wanted = asdict(needs)
        return {
            resource
            for resource in ("cpu", "gpu", "memory")
            if wanted[resource]
            and (used := sum(other[resource] for other in beside)) > 0
            and used + wanted[resource] > getattr(self, resource)
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
    waiting = _by_weight(graph, names)
    running: dict[str, Stage] = {}
    outcomes: dict[str, Outcome] = {}
    ended: queue.Queue[tuple[str, Outcome]] = queue.Queue()
    while waiting or running:
        halted = stopped() or (
            not keep_going and any(o.status == "failed" for o in outcomes.values())
        )
        awaited: set[str] = set()
        for name in list(waiting):
            stage = graph.stages[name]
            if halted or any(u in outcomes and not outcomes[u].good for u in stage.upstream):
                waiting.remove(name)
                outcomes[name] = Outcome("skipped")
                continue
            if len(running) >= capacity.stages or stage.upstream & {*waiting, *running}:
                continue
            short = capacity.short_of(stage.needs, (s.needs for s in running.values()))
            awaited |= short  # a lighter stage must not take what a heavier one waits for
            if not short and not any(getattr(stage.needs, resource) for resource in awaited):
                waiting.remove(name)
                running[name] = stage
                launch(stage, partial(_put, ended, name))
        if running:
            try:
                name, outcome = ended.get(timeout=0.5)
            except queue.Empty:  # poll `stopped`: a signal may have come
                continue
            del running[name]
            outcomes[name] = outcome
    return outcomes


def _by_weight(graph: Graph, names: Iterable[str]) -> list[str]:
    """The stages with the most stages downstream come first."""
    weights = {name: len(graph.downstream([name])) for name in names}
    return sorted((n for n in graph.stages if n in weights), key=lambda name: -weights[name])


def _put(ended: queue.Queue[tuple[str, Outcome]], name: str, outcome: Outcome) -> None:
    ended.put((name, outcome))
