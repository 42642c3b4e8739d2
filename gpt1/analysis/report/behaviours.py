"""Does the language model learn tasks while it learns language? (Figure 2, right)"""

from gpt1.analysis.report import figures
from gpt1.analysis.report.answers import Answer
from gpt1.analysis.report.results import Results
from gpt1.analysis.report.statistics import DIRECTION, mean_estimate
from gpt1.document import Figure, Section, Table
from gpt1.params import ZeroShot

PUBLISHED = ("gpt", "lstm")
"""The models of Figure 2, as models are named here."""


def section(results: Results, zero_shot: ZeroShot) -> tuple[Section | None, list[Answer]]:
    """Zero-shot scores over pretraining: raw scores in a table, normalised ones in a figure."""
    if not zero_shot.tasks or not zero_shot.models:
        return None, []
    curves = [results.zero_shot(t, m) for t in zero_shot.tasks for m in zero_shot.models]
    table = Table(
        "Zero-shot scores in per cent, at the first checkpoint and after pretraining. A ceiling "
        "is the best that was published before the paper, in its Tables 2 to 4 or for DPRD by Peng "
        "et al. (2015), each of a test split, RACE's of nine models together; BLiMP's is of "
        "people (Warstadt et al., 2020); else 100.",
        ["task", "model", "first", "last", "chance", "ceiling", "metric", "split", "n"],
        [
            [
                c.task,
                c.model,
                f"{c.curve['score'].iloc[0]:.1f}",
                f"{c.curve['score'].iloc[-1]:.1f}",
                f"{c.chance:.1f}",
                f"{c.ceiling:.1f}",
                c.metric,
                c.split,
                str(c.n),
            ]
            for c in curves
        ],
    )
    groups = [
        [c.task, str(name).removeprefix("score_"), c.model, f"{c.curve[name].iloc[-1]:.1f}"]
        for c in curves
        for name in c.curve
        if str(name).startswith("score_")
    ]
    by_group = Table(
        "The same after pretraining, by group of the examples.",
        ["task", "group", "model", "score"],
        groups,
    )
    alternative = "; ".join(
        f"{c.task}, {c.model}: from {c.curve['normalised'].iloc[0]:.2f} to "
        f"{c.curve['normalised'].iloc[-1]:.2f}"
        for c in curves
    )
    figure = Figure(
        "zero_shot",
        figures.zero_shot(curves, zero_shot.models),
        "Zero-shot scores over pretraining updates, 0 at chance and 1 at the ceiling. Bands: 95 % "
        "intervals of accuracies over the examples.",
        f"Normalised zero-shot scores over pretraining. {alternative}.",
    )
    last = {
        model: [float(c.curve["normalised"].iloc[-1]) for c in curves if c.model == model]
        for model in zero_shot.models
    }
    answers = []
    for model in [model for model in PUBLISHED if model in last]:
        own = [c.curve["normalised"] for c in curves if c.model == model]
        if all(len(curve) > 1 for curve in own):
            gains = [float(curve.iloc[-1] - curve.iloc[0]) for curve in own]
            answers.append(
                Answer(
                    f"Does {model} learn tasks while it learns language?",
                    mean_estimate(gains),
                    f"normalised zero-shot score, last checkpoint minus first (tasks: {len(own)})",
                    DIRECTION,
                    style="+.2f",
                    models=[model],
                )
            )
    if {*PUBLISHED} <= last.keys():
        gains = [ours - theirs for ours, theirs in zip(*(last[m] for m in PUBLISHED), strict=True)]
        answers.append(
            Answer(
                "Does the Transformer learn more of them than the LSTM?",
                mean_estimate(gains),
                f"normalised zero-shot score of gpt minus lstm, at the end (tasks: {len(gains)})",
                DIRECTION,
                style="+.2f",
                models=PUBLISHED,
            )
        )
    alone = [c.model for c in curves if len(c.curve) == 1]
    notes = [f"{model} has a single checkpoint: no curve." for model in dict.fromkeys(alone)]
    tables = [table, by_group] if groups else [table]
    return Section("Zero-shot behaviours", [figure, *tables, *notes]), answers
