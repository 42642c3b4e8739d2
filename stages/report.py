"""What was compared, as tables and figures."""

from pathlib import Path

from gpt1.analysis.report import report
from gpt1.files import publish
from gpt1.params import Compare
from stages import entry, tracking


def main(metrics: Path, curves: Path, out: Path) -> None:
    """Write `report.md`, its figures and `index.html` for what the params list."""
    compare = entry.section(Compare, "compare")
    with tracking.run() as run:
        run.params(compare)
        with publish(out) as folder:
            report(metrics, curves, compare).save(folder)
        run.artifact(out)


if __name__ == "__main__":
    entry.run(main)
