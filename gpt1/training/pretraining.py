"""Unsupervised pre-training: section 3.1 of the paper, with the recipe of section 4.1."""

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from gpt1.errors import UserError
from gpt1.model.language_model import LanguageModel
from gpt1.model.lstm import LSTM, LSTMConfig
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.params import Model
from gpt1.training import distributed, schedule
from gpt1.training.compilation import compile_blocks
from gpt1.training.cost import PRECISIONS, product_rate, training_operations
from gpt1.training.loop import Row, fit
from gpt1.training.memory import out_of_memory, that_fits
from gpt1.training.progress import Work

if TYPE_CHECKING:
    from gpt1.tokens.shards import ShardReader


def pretrain(
    params: Model,
    reader: "ShardReader",
    *,
    vocab: int,
    device: torch.device,
    folder: Path,
    title: str,
    after: Callable[[int, Row], None],
    record: Callable[[int, Row], None],
) -> tuple[LanguageModel, pd.DataFrame]:
    """A model trained on the books of `reader`, and its curve, one row an update.

    folder: keeps the state of a run that is stopped, and the checkpoints along the way.
    after(updates done, row of the curve), record(updates done, speed): as `fit` calls them.
    Raises UserError, with the micro-batch that fits, when memory is too small.
    """
    torch.set_num_threads(params.threads)
    model = new_model(params, vocab).to(device)
    batches = Batches(reader, params)
    if params.compile:
        compile_blocks(model)

    if 0 in params.checkpoints and distributed.rank() == 0:
        model.save(folder / "checkpoints" / f"{0:07d}")

    def loss(model: nn.Module, windows: Tensor) -> Tensor:  # windows (micro_batch, context + 1)
        assert isinstance(model, LanguageModel)
        windows = windows.to(device)
        mean = model.loss(model.states(windows[:, :-1]), windows[:, 1:])
        return mean * len(windows) / params.batch

    def keep(update: int, row: Row) -> None:
        if update in params.checkpoints:
            model.save(folder / "checkpoints" / f"{update:07d}")
        after(update, row)

    tokens = params.batch * params.context
    try:
        curve = fit(
            model,
            loss=loss,
            batch_at=batches.at,
            updates=batches.updates,
            rate=lambda update: schedule.cosine(
                update, peak=params.learning_rate, warmup=params.warmup, updates=batches.updates
            ),
            weight_decay=params.weight_decay,
            clip=params.clip,
            precision=params.precision,
            seed=params.seed,
            state=folder / "state.safetensors",
            title=title,
            work=Work(
                tokens=tokens,
                operations=tokens * training_operations(model.config),
                peak=product_rate(device, PRECISIONS[params.precision]) * distributed.size(),
            ),
            after=keep,
            record=record,
        )
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
    else:
        return model, curve
    model.zero_grad()  # here the traceback, and all that it held, is gone
    fits = that_fits(lambda rows: loss(model, batches.at(0)[0][:rows]), params.micro_batch, model)
    raise UserError(
        f"{title}: micro_batch: {params.micro_batch} is too much for the memory; {fits}"
    )


def new_model(params: Model, vocab: int) -> LanguageModel:
    """An untrained model, drawn from the seed."""
    torch.manual_seed(params.seed)
    names = ("layers", "width", "context", "dropout")
    sizes = {name: getattr(params, name) for name in names}
    if params.kind == "lstm":
        return LSTM(LSTMConfig(vocab=vocab, **sizes))
    return GPT(GPTConfig(vocab=vocab, heads=params.heads, **sizes))


class Batches:
    """What each update is trained on: whole batches of windows, epoch after epoch.

    An epoch's last windows that fill no batch are left out; the next epoch cuts the books anew.
    """

    def __init__(self, reader: "ShardReader", params: Model) -> None:
        self._params = params
        # Only the epoch in use is kept: the order of all windows is long.
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
        """Of all epochs together."""
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


def thinned(curve: pd.DataFrame, rows: int = 1000) -> pd.DataFrame:
    """At most `rows` rows, each the mean over as many updates and named by the last of them."""
    size = -(-len(curve) // rows) or 1
    blocks = curve.groupby(np.arange(len(curve)) // size)
    return blocks.mean().assign(update=blocks["update"].last())
