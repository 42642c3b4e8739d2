"""The report's figures, as PNG bytes. What differs in colour differs in stroke or hatching too."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from gpt1.analysis.report.results import ZeroShotCurve
from gpt1.analysis.report.statistics import Estimate
from gpt1.document.drawing import BAR_HEIGHT, canvas, panels, png

STROKES, MARKERS = ("-", "--", "-.", ":"), "osD^vPX*"
HATCHES = ("", "//", "..", "xx", "\\\\")


def loss_curves(curves: Mapping[str, pd.DataFrame], trigram: float) -> bytes:
    """Training loss over updates for each model, dots where the held-out loss was measured, and a
    line at the held-out loss of a trigram model.
    """
    figure, [axes] = canvas("update", "loss (nats a token)")
    for index, (name, curve) in enumerate(curves.items()):
        stroke = STROKES[index % len(STROKES)]
        [line] = axes.plot(curve["update"], curve["loss"], stroke, linewidth=1.2, label=name)
        measured = curve.dropna(subset="valid_loss") if "valid_loss" in curve else curve[:0]
        if len(measured):
            color = line.get_color()
            axes.plot(measured["update"], measured["valid_loss"], ".", color=color, markersize=5)
    axes.plot([], [], ".", color="0.4", markersize=5, label="held-out")
    axes.axhline(trigram, color="0.4", linewidth=0.8, label="trigram, held-out")
    return _with_legend(figure, axes)


def layers(numbers: Sequence[int], tasks: Mapping[str, Sequence[Estimate]]) -> bytes:
    """Scores over the number of transferred layers, with intervals."""
    figure, [axes] = canvas("layers transferred", "score (%)")
    for index, (task, estimates) in enumerate(tasks.items()):
        axes.errorbar(
            numbers,
            [e.mean for e in estimates],
            [e.half_width or 0.0 for e in estimates],
            marker=MARKERS[index % len(MARKERS)],
            capsize=3,
            label=task,
        )
    axes.set_xticks(numbers)
    return _with_legend(figure, axes)


def scores(models: Mapping[str, Sequence[Estimate]], baselines: Mapping[str, float]) -> bytes:
    """A group of bars for each task, one a model with its interval; a line at the baseline.

    models: the scores of a model in the order of the tasks, which `baselines` names, and which have
    their metric in a second line, for scores of two metrics do not compare.
    """
    figure, [axes] = canvas("", "score (%)")
    places, width = np.arange(len(baselines)), 0.8 / len(models)
    for index, (name, estimates) in enumerate(models.items()):
        axes.bar(
            places + width * (index + 0.5) - 0.4,
            [e.mean for e in estimates],
            width,
            yerr=[e.half_width or 0.0 for e in estimates],
            error_kw={"linewidth": 0.8},
            hatch=HATCHES[index % len(HATCHES)],
            edgecolor="white",
            label=name,
        )
    edges = places - 0.4, places + 0.4
    axes.hlines([*baselines.values()], *edges, "black", linewidth=1.0, label="baseline")
    axes.set_xticks(places, [*baselines], fontsize="small", rotation=30 * (len(baselines) > 8))
    return _with_legend(figure, axes, outside=True)


def differences(effects: Mapping[str, Estimate]) -> bytes:
    """A bar for each effect with its interval, the first on top."""
    height = 0.9 + BAR_HEIGHT * 1.6 * len(effects)
    figure, [axes] = canvas("points", "", height=height)
    means, widths = zip(*((e.mean, e.half_width or 0.0) for e in effects.values()), strict=True)
    axes.barh([*effects], means, xerr=widths, color="#8fb8e0", error_kw={"linewidth": 1.2})
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.invert_yaxis()
    return png(figure)


def zero_shot(curves: Sequence[ZeroShotCurve], models: Sequence[str]) -> bytes:
    """Normalised scores over updates, a panel for each task, with bands of their intervals.

    A band is that of a share of right answers among the examples; other metrics have none.
    """
    tasks = list(dict.fromkeys(curve.task for curve in curves))
    figure, axes = panels(tasks, "pretraining updates", "0: chance, 1: ceiling")
    for curve in curves:
        index, panel = list(models).index(curve.model), axes[tasks.index(curve.task)]
        updates, scored = curve.curve["update"], curve.curve["normalised"]
        stroke, marker = STROKES[index % len(STROKES)], MARKERS[index % len(MARKERS)]
        [line] = panel.plot(updates, scored, stroke, label=curve.model, color=f"C{index}")
        line.set(marker=marker, markersize=3, linewidth=1.2)
        if curve.metric == "accuracy":
            share = curve.curve["score"] / 100
            error = 196 * (share * (1 - share) / curve.n) ** 0.5 / (curve.ceiling - curve.chance)
            panel.fill_between(
                updates, scored - error, scored + error, color=f"C{index}", alpha=0.2
            )
        panel.axhline(0, color="0.6", linewidth=0.8)
    shown = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
    figure.legend(shown.values(), shown, loc="outside upper right", ncols=4, frameon=False)
    return png(figure)


def pairs(names: tuple[str, str], values: Sequence[Sequence[float]]) -> bytes:
    """Validation losses of two groups of models, a line for each pair."""
    figure, [axes] = canvas("", "held-out loss (nats a token)")
    for index, pair in enumerate(values):
        axes.plot(names, pair, "-", marker=MARKERS[index % len(MARKERS)], label=f"pair {index + 1}")
    axes.margins(x=0.3)
    return _with_legend(figure, axes)


def rates(curves: Mapping[str, Mapping[float, float]]) -> bytes:
    """Held-out loss over the learning rate, a line for each network; x is logarithmic."""
    figure, [axes] = canvas("peak learning rate", "held-out loss (nats a token)")
    for index, (name, curve) in enumerate(curves.items()):
        stroke, marker = STROKES[index % len(STROKES)], MARKERS[index % len(MARKERS)]
        axes.plot([*curve], [*curve.values()], stroke, marker=marker, label=name)
    axes.set_xscale("log")
    axes.minorticks_off()
    ticks = sorted({rate for curve in curves.values() for rate in curve})
    axes.set_xticks(ticks, [f"{rate:g}" for rate in ticks])
    return _with_legend(figure, axes)


def scaling(axes: Mapping[str, tuple[list[float], list[float], list[float]]]) -> bytes:
    """Validation loss over each axis (x, y, fitted y), and the fitted power law; log-log."""
    figure, panels = canvas("", "held-out loss (nats a token)", panels=len(axes))
    for panel, (name, (x, y, fitted)) in zip(panels, axes.items(), strict=True):
        panel.plot(x, y, "o", color="C0")
        panel.plot(x, fitted, "--", color="C0")
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel(name)
        panel.minorticks_off()
        panel.set_xticks(sorted(set(x)))
        panel.xaxis.set_major_formatter(EngFormatter(places=1, sep=""))
        panel.yaxis.set_major_locator(MaxNLocator(6))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f}"))
    return png(figure)


def _with_legend(figure: Figure, axes: Axes, outside: bool = False) -> bytes:
    if outside:
        figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    else:
        axes.legend(frameon=False, fontsize="small")
    return png(figure)
