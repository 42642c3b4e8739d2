"""What the long stages of the active params will take in time, memory and disk."""

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from gpt1 import params
from gpt1.analysis import estimate
from gpt1.analysis.estimate import ACCELERATORS, UTILISATION, Training
from gpt1.analysis.report.paper import PETAFLOP_DAY, PETAFLOP_DAYS
from gpt1.device import device
from gpt1.errors import UserError
from gpt1.model.gpt2 import GPT2
from gpt1.model.loading import transformer
from gpt1.params import Finetune, Model
from gpt1.tokens import shards
from pipelines.extension.results import WIDE
from pipelines.graph.graph import Graph
from stages import entry

IRRELEVANT = {
    "shards": "",
    "books": 1.0,
    "seed": 0,
    "epochs": 1,
    "checkpoints": [],
    "validate_every": 0,
    "learning_rate": 1.0,
    "warmup": 0,
    "weight_decay": 0.0,
    "clip": 1.0,
}
"""Params that leave the time and memory of a token alone."""
START, START_TORCH = 2.0, 2.0
"""Seconds to start a stage, and in addition one that needs PyTorch: `benchmarks/startup.py`."""


@dataclass(frozen=True)
class Cost:
    stage: str
    training: Training
    disk: float
    """Bytes of the models that the stage adds to the cache."""
    known: bool = True
    """Whether the number of tokens is known; a task's is not before its table exists."""

    @property
    def kind(self) -> str:
        """The name of the stage without its matrix item."""
        return self.stage.partition("@")[0]

    def as_data(self) -> dict[str, Any]:
        """As JSON can hold it: memory and disk in bytes, times in seconds, None where unknown."""
        training = self.training
        times = {card.title: 86_400 * training.days_on(card) for card in ACCELERATORS}
        return {
            "stage": self.stage,
            "tokens": training.tokens if self.known else None,
            "operations": training.operations if self.known else None,
            "memory": training.memory,
            "disk": self.disk,
            "seconds": {"here": training.seconds} | times if self.known else None,
        }


def show(graph: Graph, selected: Collection[str], as_json: bool = False) -> None:
    """Print the cost of every pretraining, fine-tuning and zero-shot stage that is selected.

    as_json: a list of `Cost.as_data` in place of the table and its sums.
    """
    stages = [name for name in graph.stages if name in selected]
    costs = list(of_stages(stages))
    if as_json:
        print(json.dumps([cost.as_data() for cost in costs], indent=2))
        return
    if not costs:
        print("None of these stages trains a model or scores one zero-shot; --cost counts those.")
        return
    cards = (card.title for card in ACCELERATORS)
    header = ("tokens", "operations", "memory", "disk", "here", *cards)
    numbers = (Column(name, justify="right", no_wrap=True) for name in header)
    table = Table(Column("stage", no_wrap=True), *numbers, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for alike, cells in groupby(costs, key=lambda cost: replace(cost, stage=cost.kind)):
        stage, *others = (cell.stage for cell in cells)
        training = alike.training
        size = [f"{training.memory / 1e9:.1f} GB", f"{alike.disk / 1e9:.2f} GB"]
        work, times = ["?", "?"], []
        if alike.known:
            work = [f"{training.tokens:.1e}", f"{training.operations:.1e}"]
            days = [training.seconds / 86_400, *map(training.days_on, ACCELERATORS)]
            times = [*map(span, days)]
        label = f"{stage} and {len(others)} alike, each" if others else stage
        table.add_row(label, *work, *size, *times)
    Console(width=WIDE).print(table)
    _print_sums(stages, costs)
    paper = estimate.paper_operations() / PETAFLOP_DAY
    print(
        f"The paper's pretraining, counted the same way: {paper:.2f} petaflop/s-days; "
        f"OpenAI published {PETAFLOP_DAYS}."
    )
    print(
        f"Here: measured for a second, uncompiled. Accelerators: one of them, at "
        f"{UTILISATION:.0%} of its published peak, which small models and batches do not reach "
        "(docs/training.md, On a GPU), in TFLOP/s:"
    )
    for precision in sorted({cost.training.precision for cost in costs}):
        peaks = (f"{card.title} {card.peak(precision) / 1e12:.0f}" for card in ACCELERATORS)
        print(f"  {precision}: {', '.join(peaks)}")


def _print_sums(stages: Sequence[str], costs: Sequence[Cost]) -> None:
    """What all stages take together; where the tokens of some are unknown, without those."""
    known = [cost for cost in costs if cost.known]
    if unknown := [cost for cost in costs if not cost.known]:
        tasks = {cost.stage.partition("@")[2].partition("-")[0] for cost in unknown}
        makers = {f"{kind}@{task}" for kind in ("task", "derived_task") for task in tasks}
        kinds = sorted({name.partition("@")[0] for name in makers.intersection(stages)})
        print(
            f"?: no table of the task yet; `dvc repro {' '.join(kinds)}` makes them. The sums "
            f"leave out these {len(unknown)} stages."
        )
    total = sum(cost.training.operations for cost in known) / PETAFLOP_DAY
    tokenizing, ids = token_ids(stages)
    starting = START * len(stages) + START_TORCH * len(costs)
    seconds = sum(cost.training.seconds for cost in known) + starting + tokenizing
    disk = (sum(cost.disk for cost in costs) + ids) / 1e9
    if known:
        print(f"All of them: {total:.2g} petaflop/s-days.")
        print(
            f"Here, one stage after the other: {span(seconds / 86_400)}, of which "
            f"{span(starting / 86_400)} to start {len(stages)} stages and "
            f"{span(tokenizing / 86_400)} to tokenize tasks."
        )
    print(f"DVC's cache: {disk:.2f} GB of models and token ids.")
    print("Books, documents and shards take about 2 bytes there a byte of books.")


def of_stages(stages: Iterable[str]) -> Iterator[Cost]:
    """The cost of each stage that trains or scores, in their order.

    One micro-batch of each size of model is timed here, which takes seconds each, on a busy machine
    a minute at the paper's size; a line on stderr says which. What trains on nothing, or on what is
    not known yet, is not timed.
    """
    models = entry.sections(Model, "models")
    kept_weights = entry.section(params.Compare, "compare").kept_weights
    measured: dict[tuple[str, bool], Training] = {}

    def one(stage: str, model: Model, tokens: float) -> Training:
        key = repr(changed(model, **IRRELEVANT)), bool(tokens)
        if key not in measured:
            if tokens:
                print(f"measuring how fast {stage} trains here", file=sys.stderr, flush=True)
            measured[key] = estimate.estimate(model, vocabulary(), float(bool(tokens)), device())
        return measured[key].times(tokens)

    def known(name: str) -> Model | None:
        return models.get(name) or imported(name)

    for name in stages:
        kind, _, item = name.partition("@")
        if kind == "pretrain":
            model = models[item]
            training = one(name, model, corpus(model) * model.epochs)
            yield Cost(name, training, kept(model, training.tokens) * 4.0 * training.parameters)
        elif kind.startswith("finetune"):
            task, cell, *others = item.split("-")
            recipe = entry.section(Finetune, f"finetune.{task}")
            model = known(cell) or known("gpt") or PAPER
            same = ("batch", "micro_batch", "precision", "threads", "weight_decay")
            as_model = changed(model, **{key: getattr(recipe, key) for key in same})
            table = Path(f"data/tasks/{task}.parquet")
            tokens = (
                estimate.finetuning_tokens(table, model.context, recipe.epochs)
                if table.is_file()
                else None
            )
            training = one(name, as_model, tokens or 0.0)
            saved = (
                4.0 * training.parameters * (kind == "finetune" and int(others[0]) in kept_weights)
            )
            yield Cost(name, training, saved, known=tokens is not None)
        elif kind == "zero_shot":
            task, cell = item.split("-")
            model = known(cell) or PAPER
            table = Path(f"data/tasks/{task}.parquet")
            tokens = estimate.zero_shot_tokens(table, model.context) if table.is_file() else None
            readings = kept(model, corpus(model) * model.epochs) if cell in models else 1
            reading = one(name, model, readings * (tokens or 0.0)).forward_only()
            yield Cost(name, reading, 0.0, known=tokens is not None)


def token_ids(stages: Iterable[str]) -> tuple[float, float]:
    """Seconds of one core, and bytes in the cache, of the token ids of all tasks with a table.

    The models of the books share a vocabulary; each imported one has its own.
    """
    models = entry.section(params.Compare, "compare").models
    imported = {*entry.sections(params.Imported, "imported")}
    vocabularies = len({model if model in imported else params.VOCABULARY for model in models})
    tasks = [name.partition("@")[2] for name in stages if name.startswith("tokens@")]
    tables = [path for task in tasks if (path := Path(f"data/tasks/{task}.parquet")).is_file()]
    seconds, size = np.sum([estimate.tokenizing(path) for path in tables] or [(0, 0)], axis=0)
    return vocabularies * seconds, vocabularies * size


def kept(model: Model, tokens: float) -> int:
    """The checkpoints that a pretraining on `tokens` tokens writes at most, and the final model.

    Those by words are all counted.
    """
    updates = tokens / (model.batch * model.context)
    return 1 + sum(isinstance(each, str) or each <= updates for each in model.checkpoints)


def imported(name: str) -> Model | None:
    """The sizes of an imported model as params; None before it is imported."""
    if not (directory := Path(f"models/{name}")).is_dir():
        return None
    network = transformer(directory)
    sizes = network.LAYOUT.load_config(directory)
    kind = "gpt2" if network is GPT2 else "transformer"
    shared = {key: value for key, value in sizes.items() if key in vars(PAPER)}
    return changed(PAPER, kind=kind, **shared)


PAPER = params.parse(
    Model,
    params.paper(Model)
    | {"seed": 1, "micro_batch": 4, "precision": "fp32", "threads": 2, "compile": False}
    | {"deterministic": False, "validate_every": 0, "checkpoints": []},
    "models.gpt",
)
"""The paper's model: stands for weights that are not imported yet."""


def vocabulary() -> int:
    """The vocabulary size: of the `bpe` stage, else by its params, else the released one."""
    if (file := Path("data/vocabularies/bpe/vocab.json")).is_file():
        return len(json.loads(file.read_text()))
    try:
        return entry.section(params.BPE, "bpe").merges + estimate.BASE_SYMBOLS
    except UserError:
        return estimate.PAPER_VOCABULARY


def corpus(model: Model) -> float:
    """Tokens of one epoch: counted in the shards, else estimated by the size of the books.

    Raises UserError when there are no books.
    """
    if tokens := shards.count_tokens(Path(f"data/{model.shards}"), "train"):
        return model.books * tokens
    share = model.books
    if model.shards.startswith("shards_shuffled"):
        share *= entry.section(params.Shuffling, "shuffling").books
    source = Path(entry.section(params.Raw, "raw").path)
    for folder in (Path("data/raw/books"), source):
        if folder.is_dir():
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            return share * size / estimate.CHARACTERS
    if not source.exists():
        raise UserError(f"params.yaml: raw.path: {source} is not there; put the books there")
    raise UserError(f"the books of {source} are not here yet; `dvc repro raw` reads them")


def changed(model: Model, **values: Any) -> Model:
    return Model(**vars(model) | values)


def span(days: float) -> str:
    """`days` in the largest unit that is not below 1, such as `3.2 h`."""
    for unit, length in (("years", 365.0), ("days", 1.0), ("h", 1 / 24), ("min", 1 / 1440)):
        if days >= length:
            return f"{days / length:.1f} {unit}"
    return f"{days * 86_400:.1f} s"
