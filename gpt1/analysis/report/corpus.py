"""What the models read: how much of it, what was left out, and which bytes it was."""

from gpt1.analysis.report.document import Section, Table
from gpt1.analysis.report.results import Results


def section(results: Results) -> Section:
    """The card of the cleaned books; the whole one is `data/clean/card.html`."""
    card = results.corpus()
    rows = [
        [step, f"{count['books']:,}", f"{count['words']:,}", card["sha256"].get(step, "-")]
        for step, count in card["steps"].items()
    ]
    caption = (
        "Books and words after each step, and the SHA-256 of the documents that came out. "
        "The paper: 7,000 books, about a billion words."
    )
    dropped = ", ".join(f"{count} {reason}" for reason, count in card["dropped"].items())
    return Section(
        "Corpus",
        [
            Table(caption, ["step", "books", "words", "SHA-256"], rows),
            f"Books dropped: {dropped or 'none'}. The whole card: `data/clean/card.html`.",
        ],
    )
