"""Scaling: does the loss fall with the data and the size of the model?"""

from collections import Counter
from collections.abc import Mapping

from gpt1.analysis.report import figures
from gpt1.analysis.report.answers import Answer
from gpt1.analysis.report.results import Results
from gpt1.analysis.report.statistics import DIRECTION, power_law
from gpt1.document import Block, Figure, Section, Table
from gpt1.params import Model, Scaling


def section(
    results: Results, scaling: Scaling, models: Mapping[str, Model]
) -> tuple[Section | None, list[Answer]]:
    """Validation loss over tokens and over parameters; None with fewer than two models.

    Tokens vary among the models of the most common size, parameters among the models that read the
    most common share of the books.
    """
    if len(scaling.models) < 2:
        return None, []
    summaries = {name: results.pretraining(name) for name in scaling.models}
    losses = {name: summary.valid.loss for name, summary in summaries.items()}
    sizes = {name: summary.parameters for name, summary in summaries.items()}
    books = {name: models[name].books for name in summaries}
    tokens = {
        name: summary.updates * models[name].batch * models[name].context
        for name, summary in summaries.items()
    }
    rows = [
        [name, f"{sizes[name]:,}", f"{books[name]:g}", f"{tokens[name]:,}", f"{losses[name]:.3f}"]
        for name in summaries
    ]
    blocks: list[Block] = [
        Table(
            "Held-out loss (nats a token).",
            ["model", "parameters", "share of the books", "tokens read", "loss"],
            rows,
        )
    ]
    common_size, common_books = (
        Counter(of_models.values()).most_common(1)[0][0] for of_models in (sizes, books)
    )
    axes = {
        "tokens read": {n: float(tokens[n]) for n in summaries if sizes[n] == common_size},
        "parameters": {n: float(sizes[n]) for n in summaries if books[n] == common_books},
    }
    answers, drawn = [], {}
    for axis, of_axis in axes.items():
        points = sorted((x, losses[name]) for name, x in of_axis.items())
        if len({x for x, _ in points}) > 1:
            x, y = [list(each) for each in zip(*points, strict=True)]
            exponent, factor = power_law(x, y)
            drawn[axis] = (x, y, [factor * each**exponent.mean for each in x])
            what = f"exponent of held-out loss in the {axis} (models: {len(x)})"
            question = f"Does the loss fall with the {axis}?"
            answers.append(
                Answer(question, exponent, what, -DIRECTION, "Kaplan et al. 2020", "+.3f")
            )
    if drawn:
        alternative = "Held-out loss, nats a token. " + "; ".join(
            f"over the {axis}: "
            + ", ".join(f"{b:.3f} at {a:,.0f}" for a, b in zip(x, y, strict=True))
            for axis, (x, y, _) in drawn.items()
        )
        caption = (
            "Held-out loss over tokens and size, both axes logarithmic, with the fitted slope."
        )
        blocks.insert(0, Figure("scaling", figures.scaling(drawn), caption, alternative))
    return Section("Scaling", blocks), answers
