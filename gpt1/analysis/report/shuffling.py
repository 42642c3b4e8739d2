"""Does long-range structure matter?"""

from gpt1.analysis.report.answers import Answer
from gpt1.analysis.report.document import Section, Table
from gpt1.analysis.report.results import Results
from gpt1.analysis.report.statistics import estimate
from gpt1.params import Shuffling


def section(results: Results, shuffling: Shuffling) -> tuple[Section | None, list[Answer]]:
    """Held-out loss of models trained on the same books, in order and shuffled by sentence."""
    pairs = list(zip(shuffling.contiguous, shuffling.shuffled, strict=True))
    if not pairs:
        return None, []
    losses = [[results.pretraining(model)["valid"] for model in pair] for pair in pairs]
    rows = [
        [model, order, f"{found['loss']:.3f}", f"{found['perplexity']:.1f}"]
        for pair, of_pair in zip(pairs, losses, strict=True)
        for model, order, found in zip(pair, ("contiguous", "shuffled"), of_pair, strict=True)
    ]
    caption = "Loss (nats a token) and perplexity on the held-out books, which are in order."
    table = Table(caption, ["model", "trained on", "loss", "perplexity"], rows)
    answer = Answer(
        "Does long-range structure matter?",
        estimate([other["loss"] - own["loss"] for own, other in losses]),
        f"held-out loss of shuffled minus contiguous, nats a token, over {len(pairs)} pairs",
        1,
        "+.3f",
    )
    return Section("Contiguous and shuffled", [table]), [answer]
