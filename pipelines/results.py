"""The comparison in the terminal, the same that the report has."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from gpt1.params import Compare
from stages import entry

if TYPE_CHECKING:
    from gpt1.analysis.report.document import Table as Compared

REPORT = Path("report", "index.html")


def table() -> "Compared":
    """The table of the project in this folder. Raises UserError when a listed score is missing."""
    from gpt1.analysis.report.comparison import comparison
    from gpt1.analysis.report.results import Results

    results = Results(Path("metrics"), Path("curves"))
    return comparison(results, entry.section(Compare, "compare"))


def show(console: Console) -> None:
    """Print it."""
    compared = table()
    shown = Table(*compared.columns, caption=compared.caption.replace("`", ""))
    for row in compared.rows:
        shown.add_row(*row)
    console.print(shown)
