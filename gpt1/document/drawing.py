"""Plots as PNG bytes; equal numbers give equal bytes, for the PNG holds no date and no version."""

import io
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT, DPI = 7.0, 3.6, 120
"""Inches, inches, dots per inch."""
BAR_HEIGHT, PANEL_HEIGHT = 0.28, 1.9
"""Inches."""


def canvas(x: str, y: str, height: float = HEIGHT, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure with panels side by side that share the y axis; `x` and `y` label the first."""
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    axes = list(figure.subplots(1, panels, sharey=True, squeeze=False)[0])
    axes[0].set(xlabel=x, ylabel=y)
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def panels(titles: Sequence[str], x: str, y: str, columns: int = 3) -> tuple[Figure, list[Axes]]:
    """Make a figure with a small panel below each title, which share both axes."""
    columns = min(columns, len(titles))
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(WIDTH, PANEL_HEIGHT * rows + 0.5), dpi=DPI, layout="constrained")
    axes = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for each in axes[len(titles) :]:
        each.remove()
    for each, title in zip(axes, titles, strict=False):
        each.spines[["top", "right"]].set_visible(False)
        each.set_title(title, fontsize="small")
        each.tick_params(labelbottom=True)
    figure.supxlabel(x, fontsize="medium")
    figure.supylabel(y, fontsize="medium")
    return figure, axes[: len(titles)]


def png(figure: Figure) -> bytes:
    """Render a figure."""
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def bars(values: Mapping[str, int], unit: str) -> bytes:
    """Plot a horizontal bar for each name, the first on top, with its number beside it."""
    figure, [axes] = canvas(unit, "", height=0.8 + BAR_HEIGHT * len(values))
    drawn = axes.barh(list(values), list(values.values()), color="#1f5fa8")
    axes.bar_label(drawn, [f"{value:,}" for value in values.values()], padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    return png(figure)
