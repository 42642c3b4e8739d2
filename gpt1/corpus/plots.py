"""Bars as PNG bytes that are the same for the same numbers: no date and no version inside."""

import io
from collections.abc import Mapping

WIDTH, ROW, DPI = 7.0, 0.28, 120
"""Inches, inches for each bar, dots per inch."""


def bars(values: Mapping[str, int], unit: str) -> bytes:
    """A horizontal bar for each name, the first on top, with its number beside it."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    canvas = Figure(figsize=(WIDTH, 0.8 + ROW * len(values)), dpi=DPI, layout="constrained")
    axes = canvas.subplots()
    drawn = axes.barh(list(values), list(values.values()), color="#1f5fa8")
    axes.bar_label(drawn, [f"{value:,}" for value in values.values()], padding=3)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.margins(x=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    out = io.BytesIO()
    canvas.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
