"""Learning rate schedules: functions of the update, counted from 0, as `warmup` is."""

import math


def cosine(update: int, *, peak: float, warmup: int, updates: int) -> float:
    """Pretraining: linear warm-up, then a cosine to 0 (section 4.1)."""
    if update < warmup:
        return peak * (update + 1) / warmup
    return peak * (1 + math.cos(math.pi * (update - warmup) / (updates - warmup))) / 2


def linear(update: int, *, peak: float, warmup: int, updates: int) -> float:
    """Fine-tuning: linear warm-up, then linear decay to 0 (section 4.1)."""
    if update < warmup:
        return peak * (update + 1) / warmup
    return peak * (updates - update) / (updates - warmup)
