"""The comparison in the terminal, the same that the report has."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from gpt1.analysis.report.comparison import comparison
from gpt1.analysis.report.results import Results
from gpt1.params import Compare
from stages import entry

REPORT = Path("report", "index.html")


def show(console: Console) -> None:
    """Print the table, in the project's folder. Raises UserError when a listed score is missing."""
    results = Results(Path("metrics"), Path("curves"))
    compared = comparison(results, entry.section(Compare, "compare"))
    table = Table(*compared.columns, caption=compared.caption.replace("`", ""))
    for row in compared.rows:
        table.add_row(*row)
    console.print(table)
