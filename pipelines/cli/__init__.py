"""The `gpt1` command. Each command imports what it needs when it runs, for some take seconds."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gpt1.environment import Environment
from gpt1.errors import UserError

if TYPE_CHECKING:
    from dvc.repo import Repo
    from rich.console import Console

    from pipelines.servers import Server

app = typer.Typer(
    help="GPT-1 as a versioned workflow: books in, a compared set of models out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Targets = Annotated[
    list[str] | None, typer.Argument(help="Stages to end with; none: all.", show_default=False)
]


def main() -> None:
    """The entry point: an error that is meant for people takes one line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unlike a kill, it tidies up
    try:
        app()
    except UserError as error:
        sys.exit(f"error: {error}")


@app.command()
def run(
    targets: Targets = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="CPU threads to fill; default: all cores.")
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going/--fail-fast", help="After a failure go on elsewhere.")
    ] = True,
    force: Annotated[bool, typer.Option(help="Run even what did not change.")] = False,
    on_workers: Annotated[
        bool, typer.Option(help="On workers of other machines: `gpt1 work`.")
    ] = False,
) -> None:
    """Bring everything up to date: only what changed, and what hangs on it."""
    from rich.console import Console

    from pipelines import plan, workspace

    with project() as repo, workspace.held(repo):
        planned = plan.make(repo, targets or [], force)
    if not planned.to_launch():
        print(f"Nothing to do: all {len(planned.selected)} stages are up to date.")
    else:
        print(f"{len(planned.to_launch())} stages to look at; Prefect starts.", flush=True)
        _launch(targets, workers, keep_going, force, on_workers)
    if "report" in planned.selected:
        _results(Console())


def _launch(targets: list[str] | None, *options: int | bool | None) -> None:
    with _prefect():
        from pipelines.flow import pipeline

        state = pipeline(targets or None, *options, return_state=True)
    if not state.is_completed():
        error = state.result(raise_on_failure=False)
        if isinstance(error, UserError):
            raise error
        sys.exit(130 if state.is_cancelled() else 1)


@app.command("plan")
def plan_(
    targets: Targets = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    cost: Annotated[bool, typer.Option("--cost", help="Time, memory and disk instead.")] = False,
) -> None:
    """Say what would run, and why."""
    from pipelines import plan

    with project() as repo:
        planned = plan.make(repo, targets or [])
    if cost:
        from rich.console import Console

        from pipelines.cost import show

        show(planned.graph, Console())
        return
    if as_json:
        print(json.dumps(planned.as_data(), indent=2))
        return
    for stage in planned.as_data():
        why = "; ".join(map(str, planned.reasons.get(stage["stage"], [])))
        print(f"{stage['state']:10}  {stage['stage']}  {why}".rstrip())


@app.command()
def results() -> None:
    """Show the comparison of all tasks and models."""
    from rich.console import Console

    from pipelines import results

    with project():
        results.show(Console())


@app.command()
def lineage(
    target: Annotated[str, typer.Argument(help="A file, a folder, or an MLflow run.")],
) -> None:
    """Walk back to what it was made from, and forward to what was made from it."""
    from rich.console import Console

    from pipelines.lineage import Lineage

    with project() as repo:
        known = Lineage(Path(repo.root_dir))
    making, console = known.find(target), Console(highlight=False)
    console.print("made from", known.back(making), sep="\n")
    console.print("used for", known.forward(making), sep="\n")


@app.command()
def checkout(run: Annotated[str, typer.Argument(help="An MLflow run.")]) -> None:
    """Bring back the data and models of a run, from the cache or the remote."""
    from pipelines import workspace
    from pipelines.lineage import Lineage

    with project() as repo, workspace.held(repo) as root:
        known = Lineage(root)
        making = known.find(run)
        for stage in known.checkout(making):
            print(f"brought back  {stage}")
    if making.commit:
        print(f"its params and code: git checkout {making.commit}")


@app.command()
def prune(yes: Annotated[bool, typer.Option("--yes", help="Free it.")] = False) -> None:
    """Show what no lock entry, branch or kept run needs; with --yes free it."""
    from rich.filesize import decimal

    from pipelines import prune, workspace

    with project() as repo, workspace.held(repo) as root:
        found = prune.find(repo)
        for stage in found.stages:
            print(f"dead stage  {stage}")
        for path, size in found.sizes(root).items():
            print(f"{decimal(size):>10}  {path}")
        if yes:
            prune.free(repo, found)
        elif found.stages or found.files or found.cached:
            print("`gpt1 prune --yes` frees it")


@app.command()
def up(
    prefect_port: Annotated[int, typer.Option(help="Loopback port of the Prefect UI.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(help="Loopback port of the MLflow UI.")] = 5000,
) -> None:
    """Start the Prefect server and the MLflow server, on loopback."""
    from stages import comparison, tracking

    with project() as repo:
        root = Path(repo.root_dir)
    ports = {"prefect": prefect_port, "mlflow": mlflow_port}
    with _starting(root, ports, keep=True) as starting:
        addresses = {kind: server.result().address for kind, server in starting.items()}
    for kind, address in addresses.items():
        print(f"{kind:8} {address}")
    mlflow = addresses["mlflow"]
    print(f"tasks    {comparison.page(mlflow, tracking.connect(root, mlflow)[1])}")


@app.command()
def serve(
    cron: Annotated[str | None, typer.Option(help="When to run, such as `0 3 * * *`.")] = None,
) -> None:
    """Wait for starts from the Prefect UI, and for those of a schedule; Ctrl-C ends it."""
    if cron:
        from prefect.client.schemas.schedules import CronSchedule

        try:
            CronSchedule(cron=cron)
        except ValueError:
            raise UserError(f"--cron {cron!r} is no schedule; say `0 3 * * *`") from None
    with project(), _prefect():
        from pipelines.flow import pipeline

        pipeline.serve("gpt1", cron=cron)


@app.command()
def work(
    pool: Annotated[str, typer.Argument(help="`cpu` or `gpu`: what this machine has.")] = "cpu",
) -> None:
    """Take stages from `gpt1 run --on-workers` elsewhere; Ctrl-C ends it."""
    if not os.environ.get("PREFECT_API_URL"):
        raise UserError("set PREFECT_API_URL to the Prefect server of the driver, http://.../api")
    with project() as repo:
        root = Path(repo.root_dir)
    os.environ["GPT1_WORKSPACE"] = str(root)
    with _prefect():
        from pipelines.worker import work

        work(pool)


@app.command()
def down() -> None:
    """Stop the servers that `gpt1 up` started."""
    from pipelines import servers

    with project() as repo:
        root = Path(repo.root_dir)
    for kind in servers.KINDS:
        print(f"{kind:8} {'stopped' if servers.stop(root, kind) else 'was not up'}")


@app.command()
def status() -> None:
    """Say which servers are up, and where."""
    from pipelines import servers

    with project() as repo:
        root = Path(repo.root_dir)
    for kind in servers.KINDS:
        server = servers.running(root, kind)
        state = "is down" if server is None else "up" if servers.healthy(server) else "not healthy"
        print(f"{kind:8} {state} {server.address if server else ''}".rstrip())


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A folder below finetuned/.")],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts; none: the lines of --file.")
    ] = None,
    file: Annotated[
        typer.FileText, typer.Option(help="Text, or JSON lines; -: standard input.")
    ] = "-",  # type: ignore[assignment]
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON lines.")] = False,
) -> None:
    """Labels and probabilities of a fine-tuned model, in the order of the texts."""
    import json

    from gpt1 import TaskModel
    from gpt1.tasks import request

    for text in texts or []:
        if not text.strip():
            raise UserError("an argument is an empty text; give texts")
    for answer in request.answers(TaskModel.load(model), texts or file):
        print(json.dumps(answer, ensure_ascii=False) if as_json else request.written(answer))


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="A transformers or a released folder.")],
    directory: Annotated[Path, typer.Argument(help="The model directory to make.")],
) -> None:
    """Make a model directory from weights that others trained, with their vocabulary."""
    from gpt1.model.importing import import_model

    import_model(source, directory)


@app.command()
def generate(
    directory: Annotated[Path, typer.Argument(help="A model directory.")],
    text: Annotated[str, typer.Argument(help="What the model is to go on from.")],
    *,
    tokens: Annotated[int, typer.Option(min=1, help="How many to make.")] = 128,
    temperature: Annotated[float, typer.Option(min=0, help="0: the most probable ones.")] = 0.0,
    top_k: Annotated[int, typer.Option(min=0, help="Draw from so many; 0: from all.")] = 0,
    top_p: Annotated[float, typer.Option(min=0, max=1, help="Draw from this share.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
) -> None:
    """Go on with a text, word by word."""
    import torch

    from gpt1.model import files, sampling
    from gpt1.tokens.bpe import BPETokenizer
    from gpt1.tokens.readable import stream

    model, tokenizer = files.load(directory), BPETokenizer.load(directory)
    prompt = torch.tensor([tokenizer.encode(text)])
    if not prompt.numel():
        raise UserError("there is no word to go on from; give a text")
    made = sampling.generate(
        model, prompt, tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed
    )
    print(text, end=" ", flush=True)
    for word in stream(tokenizer, (int(token) for token in made)):
        print(word, end="", flush=True)
    print()


@app.command()
def glue(
    predictions: Annotated[list[Path], typer.Argument(help="One model's predictions/*.parquet.")],
    out: Annotated[Path, typer.Option(help="The archive to write.")] = Path("glue.zip"),
) -> None:
    """The archive that GLUE's server scores, from predictions on its test splits."""
    from gpt1.tasks.glue import submission
    from gpt1.tasks.predictions import read

    submission(map(read, predictions), out)
    print(f"{out}: submit it at gluebenchmark.com")


@contextmanager
def project() -> Iterator["Repo"]:
    """The project around the current folder; work goes on in its root."""
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    from pipelines import graph

    repo = graph.open_project()
    os.chdir(repo.root_dir)
    with repo:
        yield repo


@contextmanager
def _prefect() -> Iterator[None]:
    """Prefect in this process, told of the server that is up, or of one that ends with the run.

    PREFECT_API_URL names one that others share, and none is started then.
    """
    from pipelines import servers
    from stages import tracking

    root = Path.cwd()
    os.environ |= servers.environment(root) | {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}
    if os.environ.get("PREFECT_API_URL"):
        yield
        return
    with _starting(root, {"prefect": 0}) as starting:
        with suppress(Exception):  # it is told, and to more people, by who needs it
            tracking.connect(root, Environment.read().tracking)  # takes seconds as well
        server = starting["prefect"].result()
    os.environ["PREFECT_API_URL"] = f"{server.address}/api"
    try:
        yield
    finally:
        noted = servers.running(root, "prefect")
        if noted and not noted.keep:
            _send_what_is_left()
            servers.stop(root, "prefect")


@contextmanager
def _starting(
    root: Path, ports: dict[str, int], keep: bool = False
) -> Iterator[dict[str, Future["Server"]]]:
    """Servers that start meanwhile; those that were not there end when the block is left early."""
    from pipelines import servers

    before = {kind for kind in ports if servers.running(root, kind)}
    with ThreadPoolExecutor() as pool:  # each takes seconds
        started = {k: pool.submit(servers.start, root, k, port, keep) for k, port in ports.items()}
        try:
            yield started
        except BaseException:
            ended = False
            while not ended:  # one that was about to be launched comes up yet
                ended = all(start.done() for start in started.values())
                for kind in {*ports} - before:
                    servers.stop(root, kind)
                time.sleep(0.1)
            raise


def _send_what_is_left() -> None:
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()
    EventsWorker.drain_all(timeout=5)


def _results(console: "Console") -> None:
    from pipelines import results, servers

    results.show(console)
    command = Path(sys.executable).with_name("gpt1")
    with suppress(ValueError):  # where the environment is not inside the project
        command = command.relative_to(Path.cwd())
    print(f"\nreport      {results.REPORT}")
    for title, kind in (("Prefect UI", "prefect"), ("MLflow UI", "mlflow")):
        print(f"{title:11} {command} up, then http://{servers.HOST}:{servers.KINDS[kind].port}")


if __name__ == "__main__":
    main()
