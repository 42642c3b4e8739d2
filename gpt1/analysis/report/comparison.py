"""Scores of every model on every task, beside the paper's."""

from collections.abc import Container, Iterator

from gpt1.analysis.report import figures, paper
from gpt1.analysis.report.results import Results, check_same_table
from gpt1.document import Figure, Section, Table
from gpt1.params import Compare

NONE = "-"


CALIBRATION = "story_cloze"
"""The task on which the released code reports a score of the released weights."""


def section(results: Results, compare: Compare, pretrained: Container[str]) -> Section | None:
    """None where no task was fine-tuned. Models that are not `pretrained` here are imported."""
    if not compare.tasks or not compare.models or not compare.seeds:
        return None
    note = (
        "The paper's scores are of test splits, its GLUE scores of the GLUE server; its MNLI is of "
        "the matched split, its QNLI version 1, and version 2 is what is to be had today."
    )
    return Section(
        "Comparison",
        [
            score_figure(results, compare),
            score_table(results, compare),
            note,
            *calibrations(results, compare, pretrained),
            seed_table(results, compare),
            hash_table(results, compare),
        ],
    )


def calibrations(results: Results, compare: Compare, pretrained: Container[str]) -> Iterator[str]:
    """A line for each imported model: is it as good as the released weights are known to be?"""
    for model in compare.models if CALIBRATION in compare.tasks else []:
        if model not in pretrained:
            score = results.cell(CALIBRATION, model, compare.seeds).mean
            yield (
                "Calibration: from the released weights, the code released with the paper has a "
                f"median of {paper.RELEASED_STORY_CLOZE} on Story Cloze over 10 runs. The imported "
                f"{model} has {score:.1f}, {score.mean - paper.RELEASED_STORY_CLOZE:+.1f} points."
            )


def score_figure(results: Results, compare: Compare) -> Figure:
    cells = {
        model: [results.cell(task, model, compare.seeds) for task in compare.tasks]
        for model in compare.models
    }
    first = next(iter(cells.values()))
    alternative = "; ".join(
        f"{model}: " + ", ".join(f"{cell.mean.mean:.1f} on {cell.task}" for cell in of_model)
        for model, of_model in cells.items()
    )
    return Figure(
        "scores",
        figures.scores(
            {model: [cell.mean for cell in of_model] for model, of_model in cells.items()},
            {f"{cell.task}\n{cell.metric}": cell.baseline for cell in first},
        ),
        "Fine-tuned scores; lines: the baseline.",
        f"Fine-tuned scores in per cent. {alternative}.",
    )


def score_table(results: Results, compare: Compare) -> Table:
    """One row a task: each model's mean over seeds, the baseline, metric, split and sizes."""
    rows = []
    for task in compare.tasks:
        cells = [results.cell(task, model, compare.seeds) for model in compare.models]
        first = check_same_table(cells)
        published = paper.SCORES.get(task)
        rows.append(
            [
                task,
                *(f"{cell.mean:.1f}" for cell in cells),
                f"{first.baseline:.1f}",
                first.metric,
                first.split,
                str(first.n),
                str(len(compare.seeds)),
                NONE if published is None else f"{published:.1f} (test)",
            ]
        )
    caption = (
        "Fine-tuned scores in per cent: the mean over seeds and its 95 % interval. The baseline "
        "always gives the most frequent answer of the training split; in multiple choice, a guess."
    )
    columns = ["task", *compare.models, "baseline", "metric", "split", "n", "seeds", "the paper"]
    return Table(caption, columns, rows)


def seed_table(results: Results, compare: Compare) -> Table:
    """One row for each task and model: the score of every seed."""
    rows = []
    for task in compare.tasks:
        for model in compare.models:
            cell = results.cell(task, model, compare.seeds)
            deviation = NONE if cell.deviation is None else f"{cell.deviation:.1f}"
            each = (
                f"{value:.1f} ({low:.1f} to {high:.1f})"
                for value, (low, high) in zip(
                    cell.values.values(), cell.intervals.values(), strict=True
                )
            )
            rows.append([task, model, f"{cell.mean.mean:.1f}", deviation, *each])
    caption = (
        "Mean and standard deviation over seeds, and the score of each seed with a 95 % bootstrap "
        "interval over the examples."
    )
    columns = ["task", "model", "mean", "deviation", *(f"seed {seed}" for seed in compare.seeds)]
    return Table(caption, columns, rows)


def hash_table(results: Results, compare: Compare) -> Table:
    """The hash of each task's table, which identifies the examples."""
    rows = [
        [task, results.cell(task, compare.models[0], compare.seeds).sha256]
        for task in compare.tasks
    ]
    return Table("The tables of the tasks, `data/tasks/TASK.parquet`.", ["task", "SHA-256"], rows)
