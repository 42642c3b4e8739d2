"""Unsupervised pretraining: section 3.1 of the paper, with the settings of section 4.1."""

import sys
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gpt1.device import send
from gpt1.errors import UserError
from gpt1.model.gpt2 import GPT2
from gpt1.model.language_model import LanguageModel
from gpt1.model.lstm import LSTM, LSTMConfig
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.params import Model
from gpt1.training import distributed, schedule
from gpt1.training.callback import Callback, Checkpoints, HeldOut
from gpt1.training.compilation import compile_parts
from gpt1.training.cost import peak, training_operations
from gpt1.training.loop import Optimization, fit
from gpt1.training.memory import is_out_of_memory, suggest_micro_batch
from gpt1.training.objective import Objective, UpdateCost
from gpt1.training.state import updates_done

if TYPE_CHECKING:
    from gpt1.tokens.shards import ShardReader

STATE = "state"


def pretrain(
    params: Model,
    reader: "ShardReader",
    *,
    vocab: int,
    device: torch.device,
    folder: Path,
    title: str,
    held_out: Callable[[LanguageModel], float],
    callbacks: Sequence[Callback] = (),
    skip: bool = False,
) -> tuple[LanguageModel, pd.DataFrame]:
    """Train a new model on the books of `reader`; return it and its curve, one row an update.

    folder: for the state to resume from, and for the checkpoints.
    held_out: the loss of the model on text that it is not trained on.
    title, callbacks, skip: as in `fit`.
    Raises UserError when memory is too small, with the micro-batch that fits.
    """
    torch.set_num_threads(params.threads)
    model = new_model(params, vocab).to(device)
    batches = Batches(reader, params)
    if params.compile:
        compile_parts(model)
    listed = checkpoint_updates(params, reader)
    checkpoints = Checkpoints(model, listed, folder / "checkpoints")
    if distributed.rank() == 0:
        if beyond := [update for update in listed if update > batches.updates > 0]:
            print(
                f"warning: {title}: checkpoints: training ends after {batches.updates} updates, "
                f"before {', '.join(map(str, beyond))}",
                file=sys.stderr,
            )
        checkpoints.save(0)
        checkpoints.warn_of_passed(updates_done(folder / STATE), title)
    objective = Pretraining(model, batches, params)
    optimization = Optimization(
        learning_rate=partial(
            schedule.cosine,
            peak=params.learning_rate,
            warmup=params.warmup,
            updates=batches.updates,
        ),
        weight_decay=params.weight_decay,
        clip=params.clip,
        precision=params.precision,
        seed=params.seed,
    )
    try:
        curve = fit(
            objective,
            optimization,
            state=folder / STATE,
            title=title,
            callbacks=[
                checkpoints,
                HeldOut(model, params.validate_every, held_out),
                *callbacks,
            ],
            observed=["valid_loss"],
            skip=skip,
        )
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    else:
        return model, curve
    model.zero_grad()  # only here, where the traceback no longer holds the activations
    windows = batches.at(0)[0]
    fits = suggest_micro_batch(
        lambda rows: objective.loss(windows[:rows])["loss"], params.micro_batch, model
    )
    raise UserError(
        f"{title}: micro_batch: {params.micro_batch} is too much for the memory; {fits}"
    )


def new_model(params: Model, vocab: int) -> LanguageModel:
    """An untrained model, initialised from the seed."""
    torch.manual_seed(params.seed)
    names = ("layers", "width", "context", "dropout")
    sizes = {name: getattr(params, name) for name in names}
    if params.kind == "lstm":
        return LSTM(LSTMConfig(vocab=vocab, **sizes))
    network = GPT2 if params.kind == "gpt2" else GPT
    return network(GPTConfig(vocab=vocab, heads=params.heads, **sizes))


class Pretraining(Objective[Tensor]):
    """Next-token prediction on windows of the training books (equation 1 of the paper)."""

    model: LanguageModel

    def __init__(self, model: LanguageModel, batches: "Batches", params: Model) -> None:
        self.model, self.updates = model, batches.updates
        self._batches, self._batch = batches, params.batch
        self._device = next(model.parameters()).device
        tokens = params.batch * params.context
        self.update_cost = UpdateCost(
            tokens=tokens,
            operations=tokens * training_operations(model.config) / distributed.world_size(),
            peak=peak(self._device, params.precision),
        )

    def micro_batches(self, update: int) -> list[Tensor]:
        return self._batches.at(update)

    def loss(self, windows: Tensor) -> dict[str, Tensor]:
        """Of windows int64 (micro_batch, context + 1): their share of the mean over the batch."""
        windows = send(windows, self._device)
        mean = self.model.loss(self.model.states(windows[:, :-1]), windows[:, 1:])
        return {"loss": mean * len(windows) / self._batch}


def checkpoint_updates(params: Model, reader: "ShardReader") -> list[int]:
    """The updates of `params.checkpoints`: for millions of words, the one that is nearest.

    An update reads as many words as its tokens have in the average book. The few tokens that an
    epoch leaves out are not read.
    """
    words = params.batch * params.context * reader.words / max(1, reader.tokens)
    updates = [
        each if isinstance(each, int) else round(int(each.partition("M")[0]) * 1e6 / max(1, words))
        for each in params.checkpoints
    ]
    return sorted({*updates})


class Batches:
    """The windows of each update: whole batches, epoch after epoch.

    The last windows of an epoch, when they fill no batch, are left out; the next epoch cuts the
    books into other windows.
    """

    def __init__(self, reader: "ShardReader", params: Model) -> None:
        self._params = params
        # Keeps one epoch: the shuffled order of all windows takes memory.
        self._windows = lru_cache(maxsize=1)(partial(reader.windows, params.context, params.seed))
        counts = [len(self._windows(epoch)) for epoch in range(params.epochs)]
        self._ends = list(accumulate(count // params.batch for count in counts))
        if params.epochs and not self.updates:
            raise UserError(
                f"the training books give {counts[0]} windows of {params.context} tokens, "
                f"fewer than one batch of {params.batch}: lower batch or context"
            )

    @property
    def updates(self) -> int:
        """Updates of all epochs together."""
        return self._ends[-1] if self._ends else 0

    def at(self, update: int) -> list[Tensor]:
        """The micro-batches of an update: each int64 (micro_batch, context + 1)."""
        epoch = bisect_right(self._ends, update)
        first = update - (self._ends[epoch - 1] if epoch else 0)
        batch = self._params.batch
        rows = np.arange(first * batch, (first + 1) * batch)
        return list(
            torch.as_tensor(self._windows(epoch).batch(rows)).split(self._params.micro_batch)
        )


def downsample(curve: pd.DataFrame, rows: int = 1000) -> pd.DataFrame:
    """At most `rows` rows: means over blocks of updates, with the number of the last update."""
    size = -(-len(curve) // rows) or 1
    blocks = curve.groupby(np.arange(len(curve)) // size)
    return blocks.mean().assign(update=blocks["update"].last())
