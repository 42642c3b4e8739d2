"""Figures as PNG bytes that are the same for the same numbers: no date and no version inside."""

import io
from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure as Canvas

WIDTH, HEIGHT, DPI = 7.0, 3.6, 120  # inches, and dots per inch
STYLES = ("-", "--", "-.", ":")  # so that lines differ without colour


def loss_curves(curves: Mapping[str, pd.DataFrame]) -> bytes:
    """Training loss, thin, and held-out loss, thick, over updates, for each model."""
    canvas = Canvas(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = canvas.subplots()
    for index, (name, curve) in enumerate(curves.items()):
        colour = f"C{index}"
        axes.plot(curve["update"], curve["loss"], color=colour, alpha=0.5, label=f"{name}, train")
        if "valid_loss" in curve:
            held_out = curve.dropna(subset="valid_loss")
            axes.plot(
                held_out["update"],
                held_out["valid_loss"],
                color=colour,
                linestyle=STYLES[1],
                marker="o",
                label=f"{name}, held out",
            )
    axes.set_xlabel("update")
    axes.set_ylabel("loss (nats a token)")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return png(canvas)


def png(canvas: Canvas) -> bytes:
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
