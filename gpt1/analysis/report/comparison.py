"""Every task with every model, beside the paper's scores."""

from gpt1.analysis.report import paper
from gpt1.analysis.report.results import Results
from gpt1.document import Section, Table
from gpt1.params import Compare

NONE = "-"


def section(results: Results, compare: Compare) -> Section | None:
    """Nothing where no task was fine-tuned."""
    if not compare.tasks:
        return None
    note = "The paper's scores are of test splits, its GLUE scores of the GLUE server."
    return Section("Comparison", [comparison(results, compare), note])


def comparison(results: Results, compare: Compare) -> Table:
    """One row a task: each model's mean over seeds, the baseline, and what the number stands on."""
    rows = []
    for task in compare.tasks:
        cells = [results.cell(task, model, compare.seeds) for model in compare.models]
        first = cells[0]
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
