"""The Prefect flow: one task for each stage of DVC's graph."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import Flow, flow
from prefect.runtime import flow_run
from prefect.states import State

from gpt1.errors import UserError
from pipelines import extension
from pipelines.execution.executor import Executor, Outcome
from pipelines.execution.interrupts import handle_interrupts
from pipelines.execution.local import LocalExecutor
from pipelines.execution.scheduler import Capacity, run_all
from pipelines.execution.workspace import exclusive_lock, remove_partial_outputs
from pipelines.flow.options import RunOptions
from pipelines.flow.reporter import Reporter
from pipelines.flow.supervision import supervise
from pipelines.flow.tasks import StageTasks
from pipelines.flow.terminal import Terminal
from pipelines.graph import graph
from pipelines.graph.plan import Plan, build_plan

if TYPE_CHECKING:
    from dvc.repo import Repo


def make_flow(body: Callable[[RunOptions], State]) -> Flow[..., State]:
    """The flow whose parameters become the options of `body`."""

    @flow(name="gpt1", flow_run_name="pipeline", validate_parameters=False)
    def pipeline(
        targets: list[str] | None = None,
        workers: int | None = None,
        keep_going: bool = True,
        force: bool = False,
        on_workers: bool = False,
    ) -> State:
        """Bring stages up to date: those that changed, and all downstream of them.

        Args:
            targets: Stages to end with, such as `report` or `finetune@book-gpt-1`; none: all.
            workers: CPU threads to fill with parallel stages; none: all cores.
            keep_going: After a failure, go on with all stages that do not depend on the failed one.
            force: Run the targets and everything upstream of them even where nothing changed.
            on_workers: Run each stage on a worker of the work pool `gpu` or `cpu`, not here.
        """
        return body(RunOptions(targets, workers, keep_going, force, on_workers))

    return pipeline


def plan_and_run(options: RunOptions) -> State:
    """The body of a run that was started in the UI or by a schedule."""
    repo = graph.open_project()
    with exclusive_lock(repo):
        return run_plan(repo, build_plan(repo, options.targets or [], options.force), options)


pipeline = make_flow(plan_and_run)


def run_plan(repo: "Repo", plan: Plan, options: RunOptions) -> State:
    """Run the stages of `plan` in a locked workspace; returns the final state of the flow.

    Raises UserError before any stage starts.
    """
    root = Path(repo.root_dir)
    with Terminal() as terminal, extension.recorder() as recorder:
        remove_partial_outputs(plan.graph, root)
        reporter = Reporter(root, terminal)
        variables = recorder | {"GPT1_PARENT_RUN": reporter.run_id}
        executor = make_executor(options, repo, plan, reporter, variables)
        if options.on_workers:
            capacity = Capacity.of_workers()
        else:
            needs = [plan.graph.stages[name].needs for name in plan.to_launch()]
            capacity = Capacity.of_this_machine(needs, options.workers)
        tasks = StageTasks(plan, executor, reporter)
        tasks.show_unchanged()
        with handle_interrupts(executor):
            with supervise(executor, root, flow_run.id):
                outcomes = run_all(
                    plan.graph,
                    plan.to_launch(),
                    tasks.launch,
                    capacity,
                    keep_going=options.keep_going,
                    stopped=lambda: executor.cancelled,
                )
            try:
                executor.close()
            except (UserError, OSError) as error:
                unwritten = f"dvc.lock is not written: {error}"
                outcomes["dvc.lock"] = Outcome("failed", tail=[unwritten])
        tasks.wait()
        return reporter.finish(outcomes, executor.cancelled)


def make_executor(
    options: RunOptions, repo: "Repo", plan: Plan, reporter: Reporter, variables: dict[str, str]
) -> Executor:
    """Where the stages run; `variables` are for those of this machine.

    Raises UserError where workers would miss uncommitted changes.
    """
    if not options.on_workers:
        return LocalExecutor(repo, variables, options.force)
    from pipelines.flow.pools import WorkerExecutor

    parent = reporter.run_id if reporter.records.address else ""
    executor = WorkerExecutor(repo, plan.graph, plan.to_launch(), parent, options.force)
    executor.push_inputs()
    return executor
