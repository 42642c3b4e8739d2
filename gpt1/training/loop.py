"""The one training loop, for pretraining and for fine-tuning."""

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from gpt1.errors import UserError
from gpt1.training.optimizer import adamw
from gpt1.training.state import random_state, restore, save

MicroBatch = TypeVar("MicroBatch")

RESUME_CODE = 75
"""The exit code of a run that saved its state when told to stop; started again, it goes on."""
SAVE_SECONDS = 300.0


def fit(
    model: nn.Module,
    *,
    loss: Callable[[nn.Module, MicroBatch], Tensor],
    batch_at: Callable[[int], Sequence[MicroBatch]],
    updates: int,
    rate: Callable[[int], float],
    weight_decay: float,
    clip: float,
    precision: Literal["bf16", "fp32"],
    seed: int,
    state: Path,
    title: str,
    tokens: int = 0,
    after: Callable[[int, dict[str, float]], None] = lambda update, row: None,
    save_seconds: float = SAVE_SECONDS,
) -> list[dict[str, float]]:
    """Train `model` in place and return its curve, one row an update.

    batch_at(update): the micro-batches of that update, a pure function of its number.
    loss(model, micro_batch): a scalar, scaled so that an update's micro-batches add up to its loss.
    rate(update): the learning rate.
    seed: of the dropout.
    state: a file; when it exists the run goes on from there, to the same bits as one never stopped.
    tokens: those of one update, for the rate that the progress bar shows.
    after(updates done, row of the curve): called after each update.

    SIGTERM or SIGINT saves the state after the micro-batch in hand and exits with RESUME_CODE;
    a second one ends at once. Raises UserError when the loss is not finite.
    """
    device = next(model.parameters()).device
    model.train()
    torch.manual_seed(seed)
    optimizer = adamw(model, weight_decay=weight_decay)
    progress = restore(state, model, optimizer, device)
    saved = time.monotonic()
    with _stop_signal() as stopped, _bar(title, progress.update, updates) as bar:
        while progress.update < updates:
            update, randomness = progress.update, random_state(device)
            total = torch.zeros((), device=device)
            for micro_batch in batch_at(update):
                with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                    part = loss(model, micro_batch)
                part.backward()
                total += part.detach()
                if stopped():
                    save(state, progress, model, optimizer, randomness)
                    print(
                        f"{title}: stopped before update {update}; start again to go on",
                        file=sys.stderr,
                    )
                    sys.exit(RESUME_CODE)
            norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
            row = {
                "update": update + 1,
                "loss": total.item(),
                "rate": rate(update),
                "gradient_norm": norm.item(),
            }
            if not (math.isfinite(row["loss"]) and math.isfinite(row["gradient_norm"])):
                save(state, progress, model, optimizer, randomness)
                raise UserError(
                    f"{title}: the loss of update {update} is not finite; the state before it is "
                    f"kept in {state}. Try precision: fp32, a lower learning_rate or more warmup"
                )
            for group in optimizer.param_groups:
                group["lr"] = row["rate"]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            progress.update += 1
            progress.curve.append(row)
            after(progress.update, row)
            _advance(bar, row, tokens)
            if time.monotonic() - saved > save_seconds:
                save(state, progress, model, optimizer, random_state(device))
                saved = time.monotonic()
    model.eval()
    return progress.curve


@contextmanager
def _stop_signal() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether this process was asked to stop."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def handle(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(number, signal.SIG_DFL)  # a second one ends at once

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bar(title: str, done: int, updates: int) -> "tqdm[Any]":
    return tqdm(desc=title, initial=done, total=updates, unit="update", mininterval=1.0)


def _advance(bar: "tqdm[Any]", row: dict[str, float], tokens: int) -> None:
    bar.update()
    shown = {"loss": f"{row['loss']:.3f}"}
    rate = bar.format_dict["rate"]
    if tokens and rate:
        shown["tokens/s"] = f"{tokens * rate:,.0f}"
    bar.set_postfix(shown, refresh=False)
