"""The paper's numbers.

GLUE tasks were scored by the GLUE server on test splits. Scores on development splits are not
comparable with them, least of all QQP's F1. QNLI is version 1.
"""

import math
from collections.abc import Sequence

SCORES = {
    "mnli": 82.1,
    "snli": 89.9,
    "scitail": 88.3,
    "qnli": 88.1,
    "rte": 56.0,
    "story_cloze": 86.5,
    "race": 59.0,
    "cola": 45.4,
    "sst2": 91.3,
    "mrpc": 82.3,
    "stsb": 82.0,
    "qqp": 70.3,
}
"""Tables 2 to 4, in the metrics of the tables: matthews, f1, pearson, else accuracy."""

RELEASED_STORY_CLOZE = 85.8
"""The released code on its weights: the median of 10 runs (its README)."""

_GLUE = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte")
ABLATIONS = {
    "gpt": dict(zip(_GLUE, (45.4, 91.3, 82.3, 82.0, 70.3, 81.8, 88.1, 56.0), strict=True)),
    "scratch": dict(zip(_GLUE, (18.9, 84.0, 79.4, 30.9, 65.5, 75.7, 71.2, 53.8), strict=True)),
    "no_auxiliary": dict(zip(_GLUE, (47.9, 92.0, 84.9, 83.2, 69.8, 81.1, 86.9, 54.4), strict=True)),
    "lstm": dict(zip(_GLUE, (30.3, 90.5, 83.2, 71.8, 68.1, 73.7, 81.1, 54.6), strict=True)),
}
"""Table 5, by the names of the models here."""
ROWS = {
    "gpt": "Transformer w/ aux LM (full)",
    "scratch": "Transformer w/o pre-training",
    "no_auxiliary": "Transformer w/o aux LM",
    "lstm": "LSTM w/ aux LM",
}
"""What Table 5 calls them."""
AVERAGES = {"gpt": 74.7, "scratch": 59.9, "no_auxiliary": 75.0, "lstm": 69.1}

ZERO_SHOT = ("cola", "sst2", "race", "dprd")
"""Section 5, "Zero-shot Behaviors"; its Winograd schemas are those of DPRD."""

PERPLEXITY = 18.4
PARAMETERS = 116_534_784
"""With the released vocabulary."""
PETAFLOP_DAY = 1e15 * 86_400
PETAFLOP_DAYS = 0.96
"""8 GPUs x 30 days x 12 TFLOP/s x 0.33 (OpenAI, "AI and Compute", 2018)."""


RUN_DEVIATION = 1.0
"""Standard deviation of the score of a task between fine-tunings, in points: taken, for the paper
gives none. The released code's median of ten runs is 0.7 below the paper's run on Story Cloze."""


def noise(tasks: int) -> float:
    """How far two averages over `tasks` tasks differ by chance in 95 % of cases, in points.

    The paper's numbers are of one run each.
    """
    return 1.96 * RUN_DEVIATION * math.sqrt(2 / tasks)


def ablation_gain(model: str, tasks: Sequence[str]) -> tuple[float, int]:
    """The average gain of the full model over `model`, and the number of tasks it is over.

    The tasks are those of `tasks` that Table 5 has, or all of Table 5 where it has none of them.
    """
    full, other = ABLATIONS["gpt"], ABLATIONS[model]
    shared = [task for task in tasks if task in full] or list(full)
    if len(shared) == len(
        full
    ):  # the published averages, which are not the means of the published scores
        return AVERAGES["gpt"] - AVERAGES[model], len(full)
    return sum(full[task] - other[task] for task in shared) / len(shared), len(shared)
