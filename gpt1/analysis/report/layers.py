"""Layers transferred: does every layer help? (Figure 2, left)"""

from gpt1.analysis.report import figures
from gpt1.analysis.report.answers import Answer
from gpt1.analysis.report.results import Results, check_same_table, gain
from gpt1.analysis.report.statistics import DIRECTION
from gpt1.document import Figure, Section, Table
from gpt1.params import Transfer


def section(results: Results, transfer: Transfer) -> tuple[Section | None, list[Answer]]:
    """Scores over the number of transferred layers; None with fewer than two numbers."""
    layers = sorted(transfer.layers)
    if len(layers) < 2 or not transfer.tasks or not transfer.seeds:
        return None, []
    cells = {
        task: [results.cell(task, f"transfer_{k}", transfer.seeds) for k in layers]
        for task in transfer.tasks
    }
    for row in cells.values():
        check_same_table(row)
    means = {task: [cell.mean for cell in row] for task, row in cells.items()}
    table = Table(
        "Scores in per cent by the number of layers transferred (0: the embeddings alone). Each "
        "seed draws the other layers afresh, and what fine-tuning draws.",
        ["task", "metric", "split", *map(str, layers)],
        [
            [task, row[0].metric, row[0].split, *(f"{cell.mean:.1f}" for cell in row)]
            for task, row in cells.items()
        ],
    )
    alternative = "; ".join(
        f"{task}: " + ", ".join(f"{m.mean:.1f} with {k}" for k, m in zip(layers, row, strict=True))
        for task, row in means.items()
    )
    figure = Figure(
        "layers",
        figures.layers(layers, means),
        "Score over the number of transferred layers, with 95 % intervals over seeds and examples.",
        f"Score in per cent by layers transferred. {alternative}.",
    )
    effect = Answer(
        "Do the transferred layers help?",
        gain([(row[-1], row[0]) for row in cells.values()]),
        f"average score with {layers[-1]} layers minus {layers[0]} (seeds: {len(transfer.seeds)})",
        DIRECTION,
        models=["gpt"],
    )
    return Section("Layers transferred", [figure, table]), [effect]
