"""A run that is killed again and again ends in the bytes of one that was never stopped."""

import dataclasses
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gpt1.model.transformer import GPT, GPTConfig
from gpt1.training.loop import RESUME_CODE, fit
from tests.gpt1.training.windows import OPTIMIZATION, Windows

UPDATES, KILLS = 150, 20


def train(folder: Path, name: str, updates: int = UPDATES) -> None:
    """A run with micro-batches and dropout, whose state is written many times a second."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab=50, layers=1, width=16, heads=2, context=8, dropout=0.1))

    def batch_at(update: int) -> list[Tensor]:
        batch = torch.randint(50, (8, 9), generator=torch.Generator().manual_seed(update))
        return list(batch.split(2))

    curve = fit(
        Windows(model, updates, batch_at, batch=8, pause=0.001),
        dataclasses.replace(
            OPTIMIZATION, learning_rate=lambda update: 1e-2 * (1 - update / UPDATES)
        ),
        state=folder / f"{name}-state.safetensors",
        title=name,
        save_seconds=0.02,
    )
    model.save(folder / f"{name}.part")
    (folder / f"{name}.part/curve").write_text(curve.to_json())
    os.replace(folder / f"{name}.part", folder / name)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_no_byte(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")  # no second of imports for every start
    train(tmp_path, "first", updates=1)  # and what PyTorch imports late is there already

    def start(name: str) -> "multiprocessing.context.ForkProcess":
        process = context.Process(target=train, args=(tmp_path, name))
        process.start()
        return process

    begin = time.monotonic()
    whole = start("whole")
    whole.join()
    seconds = time.monotonic() - begin
    chance, codes = random.Random(0), []
    while not (tmp_path / "killed").exists():
        assert len(codes) < 2 * KILLS
        process = start("killed")
        if len(codes) < KILLS:
            process.join(chance.uniform(0.01, seconds / 20))
            number = chance.choice([signal.SIGKILL, signal.SIGTERM])
            if process.is_alive() and process.pid:
                os.kill(process.pid, number)
        process.join()
        codes.append(process.exitcode)
    assert codes[-1] == 0
    assert len(codes) > KILLS
    assert {RESUME_CODE, -signal.SIGKILL} <= set(codes)
    for name in ("model.safetensors", "config.json", "curve"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
