"""Commands that run stages, or say what would run."""

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gpt1.errors import UserError
from pipelines import extension
from pipelines.execution import clone, workspace
from pipelines.flow.options import RunOptions

if TYPE_CHECKING:
    from dvc.repo import Repo

    from pipelines.graph.plan import Plan

app = typer.Typer()
Targets = Annotated[
    list[str] | None,
    typer.Argument(
        help="Stages to bring up to date, with upstream; none: all.", show_default=False
    ),
]


@app.command()
def run(
    targets: Targets = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="CPU threads to fill; default: all cores.")
    ] = None,
    keep_going: Annotated[
        bool,
        typer.Option("--keep-going/--fail-fast", help="After a failure, continue elsewhere."),
    ] = True,
    force: Annotated[bool, typer.Option(help="Run stages even where nothing changed.")] = False,
    on_workers: Annotated[
        bool, typer.Option(help="On workers of other machines: `gpt1 work`.")
    ] = False,
) -> None:
    """Bring everything up to date: the stages that changed, and all downstream of them.

    Ctrl-C or SIGTERM lets running stages save their state, within the `grace` of their `meta:`; a
    second Ctrl-C kills them (pipelines/execution/interrupts.py). The next run goes on.
    """
    from pipelines.graph.plan import build_plan

    options = RunOptions(targets or None, workers, keep_going, force, on_workers)
    with workspace.enter() as repo, workspace.exclusive_lock(repo):
        plan = build_plan(repo, targets or [], force)
        if not plan.to_launch():
            print(f"Nothing to do: all {len(plan.selected)} stages are up to date.")
        else:
            print(f"{len(plan.to_launch())} stages to run or check; starting Prefect.", flush=True)
            _launch(repo, plan, options)
    if extension.print_results(plan.selected):
        _print_addresses()


def _launch(repo: "Repo", plan: "Plan", options: RunOptions) -> None:
    """Run the flow; exits with 1 after a failure, with 130 after a cancel."""
    from pipelines.flow.session import prefect_session

    with prefect_session():
        from pipelines.flow.pipeline import make_flow, run_plan

        pipeline = make_flow(partial(run_plan, repo, plan))
        state = pipeline(**asdict(options), return_state=True)
    if not state.is_completed():
        error = state.result(raise_on_failure=False)
        if isinstance(error, UserError):
            raise error
        sys.exit(130 if state.is_cancelled() else 1)


def _print_addresses() -> None:
    from pipelines.flow import servers

    command = Path(sys.executable).with_name("gpt1")
    with suppress(ValueError):  # the environment is outside the project
        command = command.relative_to(Path.cwd())
    for title, kind in (("Prefect UI", "prefect"), ("MLflow UI", "mlflow")):
        print(f"{title:11} {command} up, then http://{servers.HOST}:{servers.KINDS[kind].port}")


@app.command("plan")
def plan_(
    targets: Targets = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    cost: Annotated[bool, typer.Option("--cost", help="Show time, memory and disk.")] = False,
) -> None:
    """Show which stages would run, and why."""
    from pipelines.graph.plan import build_plan, select

    with workspace.enter() as repo:
        if cost:
            extension.print_cost(*select(repo, targets or []), as_json)
            return
        plan = build_plan(repo, targets or [])
    if as_json:
        print(json.dumps(plan.as_data(), indent=2))
        return
    for stage in plan.as_data():
        why = "; ".join(map(str, plan.reasons.get(stage["stage"], [])))
        print(f"{stage['state']:10}  {stage['stage']}  {why}".rstrip())


@app.command()
def serve(
    cron: Annotated[str | None, typer.Option(help="When to run, such as `0 3 * * *`.")] = None,
) -> None:
    """Wait for runs that are started in the Prefect UI, or by a schedule; Ctrl-C ends it."""
    if cron:
        from prefect.client.schemas.schedules import CronSchedule

        try:
            CronSchedule(cron=cron)
        except ValueError:
            raise UserError(f"--cron {cron!r} is not a cron schedule; one is `0 3 * * *`") from None
    from pipelines.flow.session import prefect_session

    shared = os.environ.get("PREFECT_API_URL")
    with workspace.enter() as repo, prefect_session():
        from pipelines.flow.pipeline import pipeline

        name = f"gpt1-{clone.project_id(Path(repo.root_dir))}" if shared else "gpt1"
        pipeline.serve(name, cron=cron)


@app.command()
def work(
    pool: Annotated[
        Literal["cpu", "gpu"], typer.Argument(help="What this machine has.", show_default=False)
    ] = "cpu",
) -> None:
    """Run stages for a `gpt1 run --on-workers` on another machine; Ctrl-C ends it."""
    if not os.environ.get("PREFECT_API_URL"):
        raise UserError("set PREFECT_API_URL to the Prefect server of the driver, http://.../api")
    from pipelines.flow.session import prefect_session

    with workspace.enter() as repo:
        project = clone.project_id(Path(repo.root_dir))
        with clone.own_clone(repo, pool) as root, prefect_session():
            from pipelines.flow.worker import work

            os.environ["GPT1_WORKSPACE"] = str(root)
            work(f"{pool}-{project}")
