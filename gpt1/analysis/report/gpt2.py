"""What GPT-2 changed: does it help, and how high a learning rate does each network stand?

Models that differ in kind, learning rate and seed alone are a sweep: equal data, equal operations.
Those with the lowest seed choose the rate of each kind, by bits per byte of the held-out books; the
others measure the difference at these rates, so that no seed both chooses and measures. Where there
is no other seed, the lowest does both, and its single difference decides nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

from gpt1.analysis.report import figures
from gpt1.analysis.report.answers import Answer
from gpt1.analysis.report.results import Cell, Results, check_same_table, gain
from gpt1.analysis.report.statistics import DIRECTION, mean_estimate
from gpt1.document import Block, Figure, Section, Table
from gpt1.params import Compare, Model

KINDS = {"transformer": "GPT", "gpt2": "GPT-2"}
FREE = {"kind", "learning_rate", "seed", "checkpoints", "validate_every"}
"""Keys in which the models of a sweep may differ; the last two change no result."""
STANDS = 1.05
"""A network stands a rate at which its bits per byte are at most this many times its best."""

Pair = tuple[str, str]
"""A GPT and a GPT-2 with the same seed, each at its own best rate."""


@dataclass(frozen=True)
class Sweep:
    """Models of both kinds that differ in the keys of `FREE` alone, with their held-out scores."""

    models: Mapping[str, Model]
    losses: Mapping[str, float]
    """Nats a token, by model."""
    bits: Mapping[str, float]
    """Bits per byte, by model."""

    @property
    def seed(self) -> int:
        """The one that chooses the rates: the lowest that both kinds have."""
        return min(shared_seeds([*self.models.values()]))

    def rates(self, kind: str) -> dict[float, str]:
        """Learning rate -> the model of that kind with the choosing seed, by rising rate."""
        names = {
            model.learning_rate: name
            for name, model in self.models.items()
            if model.kind == kind and model.seed == self.seed
        }
        return dict(sorted(names.items()))

    def best(self, kind: str) -> float:
        """The rate with the fewest bits per byte."""
        rates = self.rates(kind)
        return min(rates, key=lambda rate: self.bits[rates[rate]])

    def highest(self, kind: str) -> float:
        """The highest rate that the network stands, with all lower ones from its best on."""
        rates, best = self.rates(kind), self.best(kind)
        limit, stood = STANDS * self.bits[rates[best]], best
        for rate in (rate for rate in rates if rate > best):
            if not self.bits[rates[rate]] <= limit:
                break
            stood = rate
        return stood

    def pairs(self) -> dict[int, Pair]:
        """By seed, all of them."""
        at_best: dict[int, dict[str, str]] = {}
        for name, model in self.models.items():
            if model.learning_rate == self.best(model.kind):
                at_best.setdefault(model.seed, {})[model.kind] = name
        return {
            seed: (names["transformer"], names["gpt2"])
            for seed, names in sorted(at_best.items())
            if len(names) == len(KINDS)
        }


def section(
    results: Results, models: Mapping[str, Model], compare: Compare
) -> tuple[Section | None, list[Answer]]:
    """Losses over rates, and the differences at the best ones; None without a sweep."""
    blocks: list[Block] = []
    answers: list[Answer] = []
    for number, names in enumerate(sweeps(models), 1):
        valid = {name: results.pretraining(name).valid for name in names}
        sweep = Sweep(
            {name: models[name] for name in names},
            {name: each.loss for name, each in valid.items()},
            {name: each.bits_per_byte for name, each in valid.items()},
        )
        operations = results.pretraining(names[0]).operations
        blocks += [rate_figure(sweep, number), rate_table(sweep, operations)]
        if pairs := sweep.pairs():
            blocks.append(pair_table(sweep, pairs))
            answers.append(pretrained(sweep, pairs))
            compared = {seed: p for seed, p in pairs.items() if {*p} <= {*compare.models}}
            if compared and compare.tasks and compare.seeds:
                cells = [
                    [
                        [results.cell(task, model, compare.seeds) for model in pair]
                        for pair in compared.values()
                    ]
                    for task in compare.tasks
                ]
                blocks.append(score_table(cells))
                counts = [pair in measuring(sweep, compared) for pair in compared.values()]
                answers.append(finetuned([[*compress(each, counts)] for each in cells]))
    return (Section("What GPT-2 changed", blocks) if blocks else None), answers


def sweeps(models: Mapping[str, Model]) -> list[list[str]]:
    """The names of each sweep that has both kinds; models that read no books are in none."""
    groups: list[tuple[dict[str, object], list[str]]] = []
    for name, model in models.items():
        if model.kind in KINDS and model.epochs:
            shared = {key: value for key, value in vars(model).items() if key not in FREE}
            for of_group, names in groups:
                if of_group == shared:
                    names.append(name)
                    break
            else:
                groups.append((shared, [name]))
    return [names for _, names in groups if shared_seeds([models[name] for name in names])]


def shared_seeds(models: Sequence[Model]) -> set[int]:
    """The seeds for which there is a model of each kind."""
    return set.intersection(*({m.seed for m in models if m.kind == kind} for kind in KINDS))


def rate_figure(sweep: Sweep, number: int) -> Figure:
    curves = {
        label: {rate: sweep.losses[name] for rate, name in sweep.rates(kind).items()}
        for kind, label in KINDS.items()
    }
    alternative = "Held-out loss, nats a token. " + "; ".join(
        f"{label}: " + ", ".join(f"{loss:.3f} at {rate:g}" for rate, loss in curve.items())
        for label, curve in curves.items()
    )
    caption = f"Held-out loss over the learning rate, seed {sweep.seed}."
    return Figure(f"rates_{number}", figures.rates(curves), caption, alternative)


def rate_table(sweep: Sweep, operations: float) -> Table:
    """A row for each rate."""
    of_kind = {kind: sweep.rates(kind) for kind in KINDS}
    rows = [
        [
            f"{rate:g}",
            *(f"{sweep.losses[rates[rate]]:.3f}" if rate in rates else "-"
              for rates in of_kind.values()),
            *(f"{sweep.bits[rates[rate]]:.3f}" if rate in rates else "-"
              for rates in of_kind.values()),
        ]
        for rate in sorted({rate for rates in of_kind.values() for rate in rates})
    ]  # fmt: skip
    stood = ", ".join(f"{label} {sweep.highest(kind):g}" for kind, label in KINDS.items())
    one = next(iter(sweep.models.values()))
    caption = (
        f"Held-out loss (nats a token) and bits per byte by peak learning rate, seed {sweep.seed}: "
        f"{one.layers} layers of width {one.width}, {operations:.1e} operations each, warm-up over "
        f"{one.warmup} updates. The highest rates at which bits per byte stay within "
        f"{STANDS - 1:.0%} of the best: {stood}."
    )
    columns = ["rate", *(f"{label}, loss" for label in KINDS.values())]
    columns += [f"{label}, bits per byte" for label in KINDS.values()]
    return Table(caption, columns, rows)


def pair_table(sweep: Sweep, pairs: Mapping[int, Pair]) -> Table:
    """A row for each seed."""
    rows = [
        [
            str(seed),
            *(f"{name} ({sweep.bits[name]:.3f})" for name in pair),
            f"{sweep.bits[pair[1]] - sweep.bits[pair[0]]:+.3f}",
        ]
        for seed, pair in pairs.items()
    ]
    caption = (
        "Bits per byte of the held-out books, each network at its best rate: "
        + ", ".join(f"{label} {sweep.best(kind):g}" for kind, label in KINDS.items())
        + f". Seed {sweep.seed} chose the rates"
        + (" and is not in the answer." if len(measuring(sweep, pairs)) < len(pairs) else ".")
    )
    return Table(caption, ["seed", *KINDS.values(), "difference"], rows)


def measuring(sweep: Sweep, pairs: Mapping[int, Pair]) -> list[Pair]:
    """The pairs whose seed chose no rate; the one that did, where there is no other."""
    return [pair for seed, pair in pairs.items() if seed != sweep.seed] or [*pairs.values()]


def pretrained(sweep: Sweep, pairs: Mapping[int, Pair]) -> Answer:
    measured = measuring(sweep, pairs)
    return Answer(
        "Do GPT-2's changes help the language model?",
        mean_estimate([sweep.bits[gpt2] - sweep.bits[gpt] for gpt, gpt2 in measured]),
        "held-out bits per byte of GPT-2 minus GPT, each at its best rate "
        f"(pretraining seeds: {len(measured)})",
        -DIRECTION,
        "why GPT-2 has them",
        "+.3f",
        models=[name for pair in measured for name in pair],
    )


Cells = Sequence[Sequence[Sequence[Cell]]]
"""For each task and pair: the cells of the GPT and of the GPT-2."""


def score_table(cells: Cells) -> Table:
    """A row for each task and pair."""
    rows = []
    for of_task in cells:
        for gpt, gpt2 in of_task:
            check_same_table([gpt, gpt2])
            scores = [gpt.model, f"{gpt.mean:.1f}", gpt2.model, f"{gpt2.mean:.1f}"]
            difference = f"{gain([(gpt2, gpt)]):+.1f}"
            rows.append([gpt.task, *scores, difference, f"{gpt.baseline:.1f}"])
    caption = (
        "Fine-tuned scores in per cent, with 95 % intervals over fine-tuning seeds and examples."
    )
    columns = ["task", "GPT", "score", "GPT-2", "score", "difference", "baseline"]
    return Table(caption, columns, rows)


def finetuned(cells: Cells) -> Answer:
    """The mean gain over tasks and pairs."""
    effect = gain([(gpt2, gpt) for of_task in cells for gpt, gpt2 in of_task])
    return Answer(
        "Do GPT-2's changes help on tasks?",
        effect,
        f"average score of GPT-2 minus GPT (tasks: {len(cells)}, pretrained pairs: "
        f"{len(cells[0])}, whose chance is not in the interval; fine-tuning seeds: {effect.count})",
        DIRECTION,
        "why GPT-2 has them",
        models=[cell.model for pair in cells[0] for cell in pair],
    )
