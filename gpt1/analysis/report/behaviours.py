"""Does the language model learn tasks while it learns language? (Figure 2, right)"""

from gpt1.analysis.report import figures
from gpt1.analysis.report.answers import Answer
from gpt1.analysis.report.results import Results
from gpt1.analysis.report.statistics import estimate
from gpt1.document import Figure, Section, Table
from gpt1.params import ZeroShot


def section(results: Results, zero_shot: ZeroShot) -> tuple[Section | None, list[Answer]]:
    """Zero-shot scores over pretraining updates, raw in a table and normalised in a figure."""
    if not zero_shot.tasks or not zero_shot.models:
        return None, []
    curves = [results.zero_shot(t, m) for t in zero_shot.tasks for m in zero_shot.models]
    table = Table(
        "Zero-shot scores in per cent, at the first checkpoint and after pretraining.",
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
    alternative = "; ".join(
        f"{c.task}, {c.model}: from {c.curve['normalised'].iloc[0]:.2f} to "
        f"{c.curve['normalised'].iloc[-1]:.2f}"
        for c in curves
    )
    figure = Figure(
        "zero_shot",
        figures.zero_shot(curves, zero_shot.models),
        "Zero-shot scores over pretraining updates, 0 at chance and 1 at the ceiling.",
        f"Normalised zero-shot scores over pretraining. {alternative}.",
    )
    answers = []
    for model in zero_shot.models:
        own = [c.curve["normalised"] for c in curves if c.model == model]
        if all(len(curve) > 1 for curve in own):
            gains = [float(curve.iloc[-1] - curve.iloc[0]) for curve in own]
            answers.append(
                Answer(
                    f"Does {model} learn tasks while it learns language?",
                    estimate(gains),
                    "normalised zero-shot score, last checkpoint minus first, over tasks",
                    1,
                    "+.2f",
                )
            )
    return Section("Zero-shot behaviours", [figure, table]), answers
