"""The training loop of pretraining and fine-tuning.

An update sums the gradients of its micro-batches, which the processes share, clips them and steps
AdamW. The loop knows neither the data nor the loss (`Objective`), nor who watches (`Callback`).
"""

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from gpt1.errors import UserError, one_line
from gpt1.training import distributed
from gpt1.training.callback import Callback, Row
from gpt1.training.cost import warn_if_emulated
from gpt1.training.determinism import nondeterministic_operations
from gpt1.training.objective import MicroBatch, Objective
from gpt1.training.optimizer import adamw
from gpt1.training.profiling import Profile
from gpt1.training.progress import Progress
from gpt1.training.state import restore, save, saved
from gpt1.training.stopping import RESUME_CODE, stop_requests

SAVE_SECONDS = 300.0
SPEED_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """How an objective is minimised."""

    learning_rate: Callable[[int], float]
    """Of an update, counted from 0."""
    weight_decay: float
    clip: float
    """The largest norm of the gradient."""
    precision: Literal["bf16", "fp32"]
    seed: int
    """Of dropout. A micro-batch has the same masks whichever process computes it."""


def fit(
    objective: Objective[MicroBatch],
    optimization: Optimization,
    *,
    state: Path,
    title: str,
    callbacks: Sequence[Callback] = (),
    observed: Sequence[str] = (),
    save_seconds: float = SAVE_SECONDS,
    skip: bool = False,
) -> pd.DataFrame:
    """Train the model of `objective` in place; return its curve, one row an update.

    The columns are the update (from 1), the losses of the objective, rate and gradient_norm, and
    those of `observed`, which callbacks put into a row; NaN where they do not.
    state: a folder for the states, one every `save_seconds`. Training resumes from the last whole
    one and ends in the same bits as a run that was never stopped.
    title: names the run in the progress bar and in messages.
    skip: leave out the update that training resumes at, should its loss not be finite; its losses
    in the curve are NaN.

    The process of rank 0 saves, shows progress and calls the callbacks. SIGTERM or SIGINT saves the
    state after the current micro-batch and exits with RESUME_CODE (`gpt1.training.stopping`).
    A state that cannot be written costs a line, and is written `save_seconds` later.
    Raises UserError when a loss is not finite, when there are fewer micro-batches than processes,
    and when no state is whole, or that of a stop cannot be written.
    """
    model, is_rank_0 = objective.model, distributed.rank() == 0
    warn_if_emulated(_device(model), optimization.precision)
    model.train()
    optimizer = adamw(model, weight_decay=optimization.weight_decay)
    columns = ["update", *objective.losses, "rate", "gradient_norm", *observed]
    curve = np.zeros((objective.updates, len(columns)))
    done = restore(state, model, optimizer, curve)
    distributed.require_equal(done, f"{state} is not on a disk that all machines share")

    def save_state(updates: int) -> str:
        """Returns why not. No state of 0 updates: it would outlive a change of the code."""
        return _save(state, updates, model, optimizer, curve) if updates and is_rank_0 else ""

    saved_at = measured = time.monotonic()
    with (
        stop_requests() as stop_requested,
        Progress(
            title, done, objective.updates, objective.update_cost, _device(model), shown=is_rank_0
        ) as bar,
        Profile(title, done, _device(model), wanted=is_rank_0) as profile,
        nondeterministic_operations(title),
    ):
        for update in range(done, objective.updates):
            micro_batches = _shared(objective.micro_batches(update), title)
            losses = _backward(objective, micro_batches, update, optimization, stop_requested)
            if losses is None:
                _stop(title, update, save_state(update))
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            distributed.all_reduce([losses, *gradients])
            norm = nn.utils.clip_grad_norm_(model.parameters(), optimization.clip)
            # .tolist() and .item() wait for the device, once an update.
            rate = optimization.learning_rate(update)
            values = [update + 1, *losses.tolist(), rate, norm.item(), *[math.nan] * len(observed)]
            row: Row = dict(zip(columns, values, strict=True))
            if math.isfinite(row["loss"]) and math.isfinite(row["gradient_norm"]):
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.step()
            elif skip and update == done:
                row |= dict.fromkeys([*objective.losses, "gradient_norm"], math.nan)
                _say_not_finite(title, update)
            else:
                _end_not_finite(title, update, state, save_state(update))
            optimizer.zero_grad(set_to_none=True)
            profile.step()
            if not is_rank_0:
                continue
            for callback in callbacks:
                callback.on_update(update + 1, row)
            curve[update] = [*row.values()]
            bar.advance(row)
            now = time.monotonic()
            if now - measured > SPEED_SECONDS:
                for callback in callbacks:
                    callback.on_speed(update + 1, bar.speed())
                measured = now
            if now - saved_at > save_seconds:
                if fault := save_state(update + 1):
                    print(f"warning: {title}: {fault}; training goes on", file=sys.stderr)
                saved_at = time.monotonic()
    model.eval()
    return pd.DataFrame(curve, columns=columns).astype({"update": int})


def _save(
    folder: Path,
    updates: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    curve: np.ndarray,
) -> str:
    """Save the state; returns why it could not be written, and which one is kept."""
    try:
        save(folder, updates, model, optimizer, curve)
    except OSError as error:
        last = [int(file.stem) for file in saved(folder)][-1:]
        kept = f"the last one is that of update {last[0]}" if last else "there is none yet"
        return f"cannot save the state ({one_line(error)}); {kept} in {folder}"
    return ""


def _stop(title: str, update: int, fault: str) -> NoReturn:
    """End all processes, with RESUME_CODE unless the state could not be saved."""
    if fault:
        raise UserError(f"{title}: stopped: {fault}. Free space, and start again")
    if distributed.rank() == 0:
        message = f"{title}: stopped before update {update}; start again to resume"
        print(message, file=sys.stderr)
    distributed.barrier()  # a launcher ends the others after the first that exits
    sys.exit(RESUME_CODE)


def _say_not_finite(title: str, update: int) -> None:
    if distributed.rank() == 0:
        message = f"warning: {title}: the loss of update {update} is not finite; it is left out"
        print(message, file=sys.stderr)


def _end_not_finite(title: str, update: int, state: Path, fault: str) -> NoReturn:
    kept = f"the state before it is kept in {state}" if update else "it is the first"
    raise UserError(
        f"{title}: the loss of update {update} is not finite; {fault or kept}. Try "
        "precision: fp32, a lower learning_rate or more warmup (docs/training.md: Stop and resume)"
    )


def _shared(micro_batches: Sequence[MicroBatch], title: str) -> Sequence[MicroBatch]:
    """Raises UserError when there is not one for each process."""
    if len(micro_batches) < distributed.world_size():
        raise UserError(
            f"{title}: {len(micro_batches)} micro-batches an update for "
            f"{distributed.world_size()} processes; lower micro_batch"
        )
    return micro_batches


def _backward(
    objective: Objective[MicroBatch],
    micro_batches: Sequence[MicroBatch],
    update: int,
    optimization: Optimization,
    stop_requested: Callable[[], bool],
) -> Tensor | None:
    """Accumulate the gradients of this process's micro-batches; return their summed losses.

    The losses, fp32 (losses,), stay on the device. None when a process was told to stop.
    """
    device = _device(objective.model)
    losses = torch.zeros(len(objective.losses), device=device)
    for begin in range(0, len(micro_batches), distributed.world_size()):
        index = begin + distributed.rank()
        if index < len(micro_batches):
            torch.manual_seed(_dropout_seed(optimization.seed, update, index))
            is_bf16 = optimization.precision == "bf16"
            with torch.autocast(device.type, torch.bfloat16, enabled=is_bf16):
                parts = objective.loss(micro_batches[index])
            parts["loss"].backward()
            losses += torch.stack([parts[name].detach() for name in objective.losses])
        # An all-reduce of one number: all processes wait for the slowest, once a micro-batch.
        if distributed.any_rank(stop_requested()):
            return None
    return losses


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _dropout_seed(seed: int, update: int, index: int) -> int:
    """A well-mixed seed of 32 bits: PyTorch's generator on the CPU ignores the others."""
    return int(np.random.SeedSequence([seed, update, index]).generate_state(1)[0])
