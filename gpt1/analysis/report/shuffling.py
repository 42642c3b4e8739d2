"""Contiguous and shuffled: does long-range structure matter?"""

from gpt1.analysis.report import figures
from gpt1.analysis.report.answers import Answer
from gpt1.analysis.report.results import Results
from gpt1.analysis.report.statistics import DIRECTION, mean_estimate
from gpt1.document import Block, Figure, Section, Table
from gpt1.params import Shuffling, ZeroShot

ORDERS = ("contiguous", "shuffled")


def section(
    results: Results, shuffling: Shuffling, zero_shot: ZeroShot
) -> tuple[Section | None, list[Answer]]:
    """Validation losses and zero-shot scores of pairs of models trained on the same books, in
    order and shuffled by sentence; None without pairs."""
    pairs = list(zip(shuffling.contiguous, shuffling.shuffled, strict=True))
    if not pairs:
        return None, []
    valid_losses = [[results.pretraining(model).valid for model in pair] for pair in pairs]
    losses = [[valid.loss for valid in of_pair] for of_pair in valid_losses]
    rows = [
        [model, order, f"{valid.loss:.3f}", f"{valid.perplexity:.1f}"]
        for pair, of_pair in zip(pairs, valid_losses, strict=True)
        for model, order, valid in zip(pair, ORDERS, of_pair, strict=True)
    ]
    alternative = "; ".join(
        f"{pair[0]}: {own:.3f} in order, {pair[1]}: {other:.3f} shuffled"
        for pair, (own, other) in zip(pairs, losses, strict=True)
    )
    caption = "Loss (nats a token) and perplexity on the held-out books, which are in order."
    drawn = "Loss on the held-out books; a line joins the two models of a pair."
    blocks: list[Block] = [
        Figure("shuffling", figures.pairs(ORDERS, losses), drawn, f"Held-out loss. {alternative}."),
        Table(caption, ["model", "trained on", "loss", "perplexity"], rows),
        *(
            scores(results, pair, zero_shot.tasks)
            for pair in pairs
            if zero_shot.tasks and {*pair} <= {*zero_shot.models}
        ),
    ]
    answer = Answer(
        "Does long-range structure matter?",
        mean_estimate([other - own for own, other in losses]),
        f"held-out loss of shuffled minus contiguous, nats a token (pairs: {len(pairs)})",
        DIRECTION,
        "the paper's argument",
        "+.3f",
        models=shuffling.contiguous,
    )
    return Section("Contiguous and shuffled", blocks), [answer]


def scores(results: Results, pair: tuple[str, str], tasks: list[str]) -> Table:
    """Zero-shot scores of both models after pretraining."""
    rows = []
    for task in tasks:
        own, other = (results.zero_shot(task, model) for model in pair)
        last = [curve.curve["score"].iloc[-1] for curve in (own, other)]
        rows.append([task, *(f"{x:.1f}" for x in last), f"{own.chance:.1f}", own.metric, own.split])
    return Table(
        "Zero-shot scores after pretraining, in per cent.",
        ["task", *pair, "chance", "metric", "split"],
        rows,
    )
