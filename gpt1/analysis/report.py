"""The report: what was compared, beside what the paper found."""

from collections.abc import Sequence
from pathlib import Path

from gpt1.analysis import figures, results
from gpt1.analysis.document import Block, Document, Figure, Section, Table
from gpt1.analysis.results import Score
from gpt1.analysis.statistics import estimate
from gpt1.params import Compare

NONE = "-"
UNTRAINED = "scratch"
SPLITS = ("test", "dev", "train")
"""The first of these that has labels is the one a table shows, and names."""


def report(metrics: Path, curves: Path, compare: Compare) -> Document:
    """The document for what `compare` lists, and nothing else that may lie in the folders.

    Raises UserError when a listed file is missing or cut short.
    """
    return Document(
        title="Does generative pre-training help?",
        summary=(
            f"{len(compare.tasks)} tasks, {len(compare.models)} models, "
            f"{len(compare.seeds)} seeds. Scores are percentages unless the metric says otherwise."
        ),
        sections=[
            Section("Comparison", [comparison(metrics, compare)]),
            Section("Pretraining", pretraining(curves, compare.models)),
        ],
    )


def comparison(metrics: Path, compare: Compare) -> Table:
    """One row a task: every model's mean over seeds with its 95 % interval, and the baseline."""
    cells = [(t, m, s) for t in compare.tasks for m in compare.models for s in compare.seeds]
    found = results.scores(metrics, cells)
    return Table(
        caption=(
            "Fine-tuned scores: the mean over seeds and its 95 % interval. The model "
            f"`{UNTRAINED}` was not pretrained; the baseline always gives the most frequent "
            "answer of the training split, or answers by chance."
        ),
        columns=["task", *compare.models, "baseline", "metric", "split", "n", "seeds"],
        rows=[row(task, compare, [s for s in found if s.task == task]) for task in compare.tasks],
    )


def row(task: str, compare: Compare, found: Sequence[Score]) -> list[str]:
    split = next(name for name in SPLITS if any(s.split == name for s in found))
    shown = [s for s in found if s.split == split]
    values = [[s.value for s in shown if s.model == model] for model in compare.models]
    first = shown[0]
    return [
        task,
        *(str(estimate(v)) for v in values),
        f"{first.baseline:.1f}",
        first.metric,
        split,
        str(first.n),
        str(len(compare.seeds)),
    ]


def pretraining(curves: Path, models: Sequence[str]) -> list[Block]:
    """The loss curves of the models that were trained at all."""
    found = {m: results.curve(curves / "pretrain" / f"{m}.csv", f"pretrain@{m}") for m in models}
    trained = {name: curve for name, curve in found.items() if len(curve)}
    blocks: list[Block] = [
        f"`{name}` was trained for no update." for name in models if name not in trained
    ]
    if not trained:
        return blocks
    alternative = "; ".join(
        f"{name}: training loss from {curve['loss'].iloc[0]:.2f} to {curve['loss'].iloc[-1]:.2f} "
        f"nats a token over {curve['update'].iloc[-1]} updates"
        for name, curve in trained.items()
    )
    return [Figure("loss", figures.loss_curves(trained), "Loss curves.", alternative), *blocks]
