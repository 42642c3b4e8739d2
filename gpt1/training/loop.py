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
from typing import Literal, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from gpt1.errors import UserError
from gpt1.training import distributed
from gpt1.training.cost import warn_if_emulated
from gpt1.training.distributed import RESUME_CODE
from gpt1.training.optimizer import adamw
from gpt1.training.progress import Progress, Work
from gpt1.training.state import restore, save

MicroBatch = TypeVar("MicroBatch")
Row = dict[str, float]

COLUMNS = ["update", "loss", "rate", "gradient_norm"]
SAVE_SECONDS = 300.0
RECORD_SECONDS = 10.0


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
    columns: Sequence[str] = COLUMNS,
    work: Work | None = None,
    after: Callable[[int, Row], None] = lambda update, row: None,
    record: Callable[[int, Row], None] = lambda update, speed: None,
    save_seconds: float = SAVE_SECONDS,
) -> pd.DataFrame:
    """Train `model` in place and return its curve, one row an update.

    batch_at(update): the micro-batches of that update, a pure function of its number.
    loss(model, micro_batch): a scalar, scaled so that an update's micro-batches add up to its loss.
    rate(update): the learning rate.
    seed: of the dropout; a micro-batch has the same masks whichever process takes it.
    state: a file; when it exists the run goes on from there, to the same bits as one never stopped.
    columns: of the curve; `after` puts into its row those that are not in COLUMNS.
    work: what one update takes, for the speed in the progress bar and for `record`.
    after(updates done, row of the curve): called after each update.
    record(updates done, speed): called every ten seconds at most, for it costs.

    Where `torchrun` started several processes, each takes its share of the micro-batches, and the
    first one saves, shows and calls `after` and `record`.
    SIGTERM or SIGINT saves the state after the micro-batch in hand and exits with RESUME_CODE; a
    second one ends at once. Raises UserError when the loss is not finite.
    """
    device = next(model.parameters()).device
    first, processes = distributed.rank() == 0, distributed.size()
    warn_if_emulated(device, precision)
    model.train()
    optimizer = adamw(model, weight_decay=weight_decay)
    curve = np.zeros((updates, len(columns)))
    done = restore(state, model, optimizer, curve)
    distributed.agree(done, f"{state} is not on a disk that all machines share")
    saved = recorded = time.monotonic()
    with _stop_signal() as stopped, Progress(title, done, updates, work, shown=first) as progress:
        for update in range(done, updates):
            total = torch.zeros((), device=device)
            parts = batch_at(update)
            if len(parts) < processes:
                raise UserError(
                    f"{title}: {len(parts)} micro-batches an update for {processes} processes; "
                    "lower micro_batch"
                )
            for begin in range(0, len(parts), processes):
                place = begin + distributed.rank()
                if place < len(parts):
                    torch.manual_seed(_dropout_seed(seed, update, place))
                    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                        part = loss(model, parts[place])
                    part.backward()
                    total += part.detach()
                if distributed.anyone(stopped()):
                    if first:
                        save(state, update, model, optimizer, curve)
                        print(
                            f"{title}: stopped before update {update}; start again to go on",
                            file=sys.stderr,
                        )
                    sys.exit(RESUME_CODE)
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            distributed.add_up([total, *gradients])
            norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
            values = update + 1, total.item(), rate(update), norm.item()
            row: Row = dict(zip(COLUMNS, values, strict=True))
            if not (math.isfinite(row["loss"]) and math.isfinite(row["gradient_norm"])):
                if first:
                    save(state, update, model, optimizer, curve)
                raise UserError(
                    f"{title}: the loss of update {update} is not finite; the state before it is "
                    f"kept in {state}. Try precision: fp32, a lower learning_rate or more warmup"
                )
            for group in optimizer.param_groups:
                group["lr"] = row["rate"]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if not first:
                continue
            after(update + 1, row)
            curve[update] = [row[name] for name in columns]
            progress.advance(row["loss"])
            now = time.monotonic()
            if now - recorded > RECORD_SECONDS:
                record(update + 1, progress.speed())
                recorded = now
            if now - saved > save_seconds:
                save(state, update + 1, model, optimizer, curve)
                saved = time.monotonic()
    model.eval()
    return pd.DataFrame(curve, columns=list(columns)).astype({"update": int})


def _dropout_seed(seed: int, update: int, place: int) -> int:
    """A well mixed one: PyTorch's generator on the CPU takes 32 bits."""
    return int(np.random.SeedSequence([seed, update, place]).generate_state(1)[0])


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
