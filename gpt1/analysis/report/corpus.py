"""The training corpus: its size after each cleaning step, what was dropped, its hashes."""

from gpt1.analysis.report.results import Results
from gpt1.document import Block, Section, Table
from gpt1.params import Contamination


def section(results: Results, contamination: Contamination) -> Section:
    """A summary of the data card; the whole one is `data/clean/card.html`."""
    card = results.corpus()
    rows = [
        [step, f"{count.books:,}", f"{count.words:,}", card.sha256.get(step, "-")]
        for step, count in card.steps.items()
    ]
    caption = (
        "Books and words after each step, and the SHA-256 of the documents that came out. "
        "The paper: 7,000 books, about a billion words."
    )
    dropped = ", ".join(f"{count} {reason}" for reason, count in card.dropped.items())
    parts: list[Block] = [
        Table(caption, ["step", "books", "words", "SHA-256"], rows),
        f"Books dropped: {dropped or 'none'}. The whole card: `data/clean/card.html`.",
    ]
    if contamination.tasks:
        parts.append(_contamination(results, contamination.tasks))
    return Section("Corpus", parts)


def _contamination(results: Results, tasks: list[str]) -> Table:
    rows = []
    for task in tasks:
        overlap = results.contamination(task)
        sample = next((found.text for found in overlap.longest), "-")
        for split, counts in overlap.splits.items():
            share = f"{counts.overlapping:,} ({counts.overlapping / counts.examples:.1%})"
            rows.append(
                [
                    task,
                    split,
                    f"{counts.examples:,}",
                    f"{counts.short:,}",
                    share,
                    sample[:200],
                ]
            )
    caption = (
        "Examples that share a run of 13 words with the training books, and the longest text in "
        "common; an example without 13 words in a row cannot. All of them: `data/contamination/`."
    )
    header = ["task", "split", "examples", "too short", "overlapping", "longest"]
    return Table(caption, header, rows)
