"""Independent stages side by side, each after the ones it hangs on, within the machine's limits."""

import os
import queue
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipelines.graph import Graph, Needs, Stage
from pipelines.runner import Outcome

RESOURCES = ("cpu", "gpu", "memory")


@dataclass(frozen=True)
class Capacity:
    cpu: int
    gpu: int
    memory: float
    """GiB."""

    @classmethod
    def of_this_machine(cls, workers: int | None = None) -> "Capacity":
        """`workers` takes the place of the number of cores."""
        gpus = len(list(Path("/dev").glob("nvidia[0-9]*")))
        return cls(workers or os.cpu_count() or 1, gpus, psutil.virtual_memory().total / 2**30)

    def fits(self, needs: Needs, taken: Iterable[Needs]) -> bool:
        """Whether `needs` finds room beside `taken`; what is too big for the machine runs alone."""
        beside = list(taken)
        return all(
            sum(getattr(n, r) for n in beside) + getattr(needs, r) <= getattr(self, r)
            or not any(getattr(n, r) for n in beside)
            for r in RESOURCES
        )


def run_all(
    graph: Graph,
    names: Iterable[str],
    launch: Callable[[Stage, Callable[[Outcome], None]], None],
    capacity: Capacity,
    *,
    keep_going: bool = True,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, Outcome]:
    """Launch `names` in an order that the graph allows; one outcome for each.

    `launch(stage, done)` starts a stage without waiting and calls `done(outcome)` at its end, from
    any thread. What hangs on a failed stage is skipped, and so is all the rest unless `keep_going`.
    """
    waiting = [name for name in graph.stages if name in set(names)]
    running: dict[str, Stage] = {}
    outcomes: dict[str, Outcome] = {}
    ended: queue.Queue[tuple[str, Outcome]] = queue.Queue()
    while waiting or running:
        halted = stopped() or (
            not keep_going and any(o.status == "failed" for o in outcomes.values())
        )
        for name in list(waiting):
            stage = graph.stages[name]
            if halted or any(u in outcomes and not outcomes[u].good for u in stage.upstream):
                waiting.remove(name)
                outcomes[name] = Outcome("skipped")
            elif not stage.upstream & {*waiting, *running} and capacity.fits(
                stage.needs, (s.needs for s in running.values())
            ):
                waiting.remove(name)
                running[name] = stage
                launch(stage, lambda outcome, name=name: ended.put((name, outcome)))  # type: ignore[misc]
        if running:
            try:
                name, outcome = ended.get(timeout=0.5)
            except queue.Empty:  # look up now and then: a signal may have come
                continue
            del running[name]
            outcomes[name] = outcome
    return outcomes
