"""The comparison of tasks and models in the terminal: the table that the report has."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gpt1.params import Compare
from stages import entry

if TYPE_CHECKING:
    from gpt1.document import Table as Compared

REPORT = Path("report", "index.html")


def table() -> "Compared":
    """The table of the project in the current folder, without empty columns.

    Raises UserError when a listed score is missing.
    """
    from gpt1.analysis.report.comparison import score_table
    from gpt1.analysis.report.results import Results

    results = Results(Path("metrics"), Path("curves"))
    whole = score_table(results, entry.section(Compare, "compare"))
    kept = [n for n, cells in enumerate(zip(*whole.rows, strict=True)) if {*cells} != {"-"}]
    columns = [whole.columns[n] for n in kept]
    return replace(whole, columns=columns, rows=[[row[n] for n in kept] for row in whole.rows])


def show(console: Console) -> None:
    """Print it."""
    compared = table()
    shown = Table(box=SIMPLE_HEAD, caption=compared.caption.replace("`", ""))
    for column in compared.columns:
        shown.add_column(column, no_wrap=True)
    for row in compared.rows:
        shown.add_row(*row)
    console.print(shown)
