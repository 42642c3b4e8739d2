"""Ablations: does pretraining help, the Transformer, the auxiliary loss? (Table 5 of the paper)"""

from collections.abc import Collection, Mapping, Sequence

from gpt1.analysis.report import figures, paper
from gpt1.analysis.report.answers import Answer
from gpt1.analysis.report.results import Cell, Results, check_same_table, gain
from gpt1.analysis.report.statistics import Estimate
from gpt1.document import Figure, Section, Table
from gpt1.params import Compare, NoAuxiliary

FULL, NO_AUXILIARY = "gpt", "no_auxiliary"
QUESTIONS = {
    "scratch": "Does pretraining help?",
    "lstm": "Does the Transformer help, against an LSTM?",
    NO_AUXILIARY: "Does the auxiliary language-model loss help?",
}

Grid = dict[str, dict[str, Cell]]
"""Model -> task -> cell."""


def section(
    results: Results, compare: Compare, no_auxiliary: NoAuxiliary
) -> tuple[Section | None, list[Answer]]:
    """Table 5 over the tasks and seeds that the models share; None with fewer than two models."""
    if FULL not in compare.models or not compare.tasks or not compare.seeds:
        return None, []
    grid: Grid = {
        model: {task: results.cell(task, model, compare.seeds) for task in compare.tasks}
        for model in (FULL, "scratch", "lstm")
        if model in compare.models
    }
    without = [task for task in no_auxiliary.tasks if task in compare.tasks]
    seeds = [seed for seed in no_auxiliary.seeds if seed in compare.seeds]
    if without and seeds:
        grid[NO_AUXILIARY] = {task: results.cell(task, NO_AUXILIARY, seeds) for task in without}
    if len(grid) == 1:
        return None, []
    for task in compare.tasks:
        check_same_table([cells[task] for cells in grid.values() if task in cells])
    answers = [answer(grid, model) for model in grid if model != FULL]
    tables = [measured_table(grid), difference_table(grid), paper_table(list(grid))]
    return Section("Ablations", [difference_figure(grid), *tables]), answers


def difference_figure(grid: Grid) -> Figure:
    effects = {f"{FULL} - {model}": average_gain(grid, model) for model in grid if model != FULL}
    return Figure(
        "ablations",
        figures.differences(effects),
        "What the full model gains on average, with 95 % intervals.",
        "Average gains in points: "
        + ", ".join(f"{name} {effect:+.1f}" for name, effect in effects.items()),
    )


def measured_table(grid: Grid) -> Table:
    tasks = list(grid[FULL])
    rows = [
        [
            model,
            f"{average(cells):.1f}",
            *(f"{cells[task].mean:.1f}" if task in cells else "-" for task in tasks),
        ]
        for model, cells in grid.items()
    ]
    return Table(
        "Measured here, in per cent. The average is the plain mean over the tasks of a row, as in "
        "the paper; rows over fewer tasks do not compare by it.",
        ["model", "average", *(f"{task} ({grid[FULL][task].split})" for task in tasks)],
        rows,
    )


def difference_table(grid: Grid) -> Table:
    tasks = list(grid[FULL])
    rows = []
    for model, cells in grid.items():
        if model != FULL:
            each = [
                f"{gain([(grid[FULL][t], cells[t])]):+.1f}" if t in cells else "-" for t in tasks
            ]
            rows.append([f"{FULL} - {model}", f"{average_gain(grid, model):+.1f}", *each])
    caption = "Differences, paired by seed and example, with 95 % intervals over both."
    return Table(caption, ["difference", "average", *tasks], rows)


def paper_table(models: Sequence[str]) -> Table:
    tasks = list(paper.ABLATIONS[FULL])
    rows = [
        [
            paper.ROWS[model],
            f"{paper.AVERAGES[model]:.1f}",
            *(f"{paper.ABLATIONS[model][task]:.1f}" for task in tasks),
        ]
        for model in models
    ]
    caption = (
        "Table 5 of the paper: scores of the GLUE test server; MNLI is the mean of both its splits."
    )
    return Table(caption, ["the paper's method", "average", *tasks], rows)


def answer(grid: Grid, model: str) -> Answer:
    """The gain of the full model over `model`, averaged over the tasks that the paper has, too.

    Where it has none of them, over all.
    """
    full, other = grid[FULL], grid[model]
    tasks = [task for task in other if task in paper.ABLATIONS[FULL]] or list(other)
    seeds = other[tasks[0]].values.keys() & full[tasks[0]].values.keys()
    expected, of = paper.ablation_gain(model, tasks)
    return Answer(
        QUESTIONS[model],
        average_gain(grid, model, tasks),
        f"average score of {FULL} minus {model} (tasks: {len(tasks)}, seeds: {len(seeds)})",
        expected,
        f"the paper, GLUE's test, tasks: {of}",
        noise=paper.noise(of),
        models=[name for name in (FULL, model) if name in ("gpt", "lstm")],
    )


def average_gain(grid: Grid, model: str, tasks: Collection[str] = ()) -> Estimate:
    """What the full model gains over `model` on average over `tasks`, or all that both have."""
    full, other = grid[FULL], grid[model]
    return gain([(full[task], other[task]) for task in tasks or other])


def average(cells: Mapping[str, Cell]) -> float:
    return sum(cell.mean.mean for cell in cells.values()) / len(cells)
