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

from gpt1.errors import UserError
from gpt1.training import distributed
from gpt1.training.callback import Callback, Row
from gpt1.training.cost import warn_if_emulated
from gpt1.training.determinism import nondeterministic_operations
from gpt1.training.objective import MicroBatch, Objective
from gpt1.training.optimizer import adamw
from gpt1.training.profiling import Profile
from gpt1.training.progress import Progress
from gpt1.training.readback import Readback
from gpt1.training.state import Saver, restore, saved
from gpt1.training.stopping import RESUME_CODE, stop_requests

SAVE_SECONDS = 300.0
SPEED_SECONDS = 10.0
SAVE, STOP = 1, 2
"""Requests of a process, which all follow."""


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
    state before the update in hand, after its current micro-batch (on an accelerator its last), and
    exits with RESUME_CODE (`gpt1.training.stopping`).
    The host does not wait for an update before it has given the next one to the device. So a loss
    that is not finite is seen one update late; the device itself leaves out that update and all
    later ones.
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
        if updates and is_rank_0:
            saver.start(updates, model, optimizer, curve)
            saver.wait()
        return saver.fault()

    not_finite = torch.zeros((), device=_device(model))
    optimizer.found_inf = not_finite  # type: ignore[attr-defined]  # where it is 1, a step changes nothing
    given: tuple[int, Readback] | None = None
    saved_at = measured = time.monotonic()

    def request() -> int:
        if stop_requested():
            return STOP
        return SAVE if is_rank_0 and time.monotonic() - saved_at > save_seconds else 0

    def read() -> None:
        """Take the numbers of the last update from the device; tell the callbacks."""
        nonlocal given, measured
        if given is None:
            return
        (update, readback), given = given, None
        *losses, norm = readback.values()
        rate = optimization.learning_rate(update)
        values = [update + 1, *losses, rate, norm, *[math.nan] * len(observed)]
        row: Row = dict(zip(columns, values, strict=True))
        if not all(map(math.isfinite, [*losses, norm])):
            if not (skip and update == done):
                _end_not_finite(title, update + 1, state, save_state(update))
            row |= dict.fromkeys([*objective.losses, "gradient_norm"], math.nan)
            not_finite.zero_()
            _say_not_finite(title, update + 1)
        if is_rank_0:
            for callback in callbacks:
                callback.on_update(update + 1, row)
            curve[update] = [*row.values()]
            bar.advance(row)
            if time.monotonic() - measured > SPEED_SECONDS:
                for callback in callbacks:
                    callback.on_speed(update + 1, bar.speed())
                measured = time.monotonic()

    with (
        stop_requests() as stop_requested,
        Progress(
            title, done, objective.updates, objective.update_cost, _device(model), shown=is_rank_0
        ) as bar,
        Profile(title, done, _device(model), wanted=is_rank_0) as profile,
        nondeterministic_operations(title),
        distributed.GradientSum(model) as gradients,
        Saver(state) as saver,
    ):
        for update in range(done, objective.updates):
            micro_batches = _shared(objective.micro_batches(update), title)
            losses, asked = _backward(
                objective,
                micro_batches,
                update,
                optimization,
                gradients=gradients,
                request=request,
            )
            if asked == STOP:
                read()
                progress = f"{update} of {objective.updates} updates"
                _stop(f"{title}: stopped after {progress}", save_state(update))
            norm = nn.utils.clip_grad_norm_(model.parameters(), optimization.clip)
            numbers = torch.cat([losses, norm[None]])
            torch.maximum(not_finite, 1 - numbers.isfinite().all().float(), out=not_finite)
            for group in optimizer.param_groups:
                group["lr"] = optimization.learning_rate(update)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            profile.step()
            read()
            given = update, Readback(numbers)
            model_is_read = any(callback.reads_model(update + 1) for callback in callbacks)
            if asked == SAVE or model_is_read or (skip and update == done):
                read()
            saves = is_rank_0 and asked == SAVE
            if saves:
                saver.wait()
            if fault := saver.fault():
                print(f"warning: {title}: {fault}; training goes on", file=sys.stderr)
            if saves:
                saver.start(update + 1, model, optimizer, curve)
                saved_at = time.monotonic()
        read()
        # What follows, such as scoring, may take long; a run of seconds has no state yet.
        last = [int(file.stem) for file in saved(state)][-1:]
        behind = is_rank_0 and last and last[0] < objective.updates
        if behind and (fault := save_state(objective.updates)):
            print(f"warning: {title}: {fault}", file=sys.stderr)
    model.eval()
    return pd.DataFrame(curve, columns=columns).astype({"update": int})


def _stop(message: str, fault: str) -> NoReturn:
    """End all processes, with RESUME_CODE unless the state could not be saved."""
    if fault:
        raise UserError(f"{message}: {fault}. Free space, and start again")
    if distributed.rank() == 0:
        print(f"{message}; start again to resume", file=sys.stderr)
    distributed.barrier()  # a launcher ends the others after the first that exits
    sys.exit(RESUME_CODE)


def _say_not_finite(title: str, update: int) -> None:
    """update: counted from 1, as in the curve."""
    if distributed.rank() == 0:
        message = f"warning: {title}: the loss of update {update} is not finite; it is left out"
        print(message, file=sys.stderr)


def _end_not_finite(title: str, update: int, state: Path, fault: str) -> NoReturn:
    """update: counted from 1, as in the curve."""
    kept = f"the state before it is kept in {state}" if update > 1 else "it is the first"
    raise UserError(
        f"{title}: the loss of update {update} is not finite; {fault or kept}. Try a lower "
        "learning_rate, more warmup, or precision: fp32 where it is bf16 (docs/training.md: Stop "
        "and resume)"
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
    *,
    gradients: distributed.GradientSum,
    request: Callable[[], int],
) -> tuple[Tensor, int]:
    """Give the parameters the gradient of an update; return its losses and the greatest request.

    The losses, fp32 (losses,), stay on the device. With a request to STOP of any process they are
    not complete, nor is the gradient.
    """
    device = _device(objective.model)
    losses = torch.zeros(len(objective.losses), device=device)
    asked = 0
    for begin in range(0, len(micro_batches), distributed.world_size()):
        index = begin + distributed.rank()
        is_last = begin + distributed.world_size() >= len(micro_batches)
        if index < len(micro_batches):
            torch.manual_seed(_dropout_seed(optimization.seed, update, index))
            is_bf16 = optimization.precision == "bf16"
            with torch.autocast(device.type, torch.bfloat16, enabled=is_bf16):
                parts = objective.loss(micro_batches[index])
            if is_last:
                gradients.begin()
            with distributed.connection_errors():
                parts["loss"].backward()
            losses += torch.stack([parts[name].detach() for name in objective.losses])
        if is_last:
            gradients.finish()
        # All processes wait for the slowest here. On a CPU a micro-batch takes seconds, and the
        # grace of a scheduler is short; on an accelerator an update takes less than one.
        if is_last or device.type == "cpu":
            asked = distributed.greatest(request())
            if asked == STOP:
                return losses, asked
    distributed.all_reduce(losses)
    return losses, asked


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _dropout_seed(seed: int, update: int, index: int) -> int:
    """A well-mixed seed of 32 bits: PyTorch's generator on the CPU ignores the others."""
    return int(np.random.SeedSequence([seed, update, index]).generate_state(1)[0])
