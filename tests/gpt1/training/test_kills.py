"""A run that is stopped and killed again and again ends in the bytes of one that never was."""

import dataclasses
import multiprocessing
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gpt1.model.transformer import GPT, GPTConfig
from gpt1.training.loop import fit
from gpt1.training.state import saved
from gpt1.training.stopping import RESUME_CODE
from tests.gpt1.training.windows import OPTIMIZATION, Windows

UPDATES, KILLS = 150, 20


def train(
    folder: Path,
    name: str,
    updates: int = UPDATES,
    *,
    network: type[GPT] = GPT,
    save_seconds: float = 0.02,
    stop_at: int = -1,
) -> None:
    """A run with micro-batches and dropout, whose state is written many times a second.

    It sends itself SIGINT in the update `stop_at`.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = network(GPTConfig(vocab=50, layers=1, width=16, heads=2, context=8, dropout=0.1))

    def batch_at(update: int) -> list[Tensor]:
        if update == stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        batch = torch.randint(50, (8, 9), generator=torch.Generator().manual_seed(update))
        return list(batch.split(2))

    curve = fit(
        Windows(model, updates, batch_at, batch=8, pause=0.001),
        dataclasses.replace(
            OPTIMIZATION, learning_rate=lambda update: 1e-2 * (1 - update / UPDATES)
        ),
        state=folder / f"{name}-state",
        title=name,
        save_seconds=save_seconds,
    )
    model.save(folder / f"{name}.part")
    (folder / f"{name}.part/curve").write_text(curve.to_json())
    os.replace(folder / f"{name}.part", folder / name)


def start(folder: Path, name: str) -> "multiprocessing.context.ForkProcess":
    """`train` in a process of its own, forked: no second of imports for every start."""
    process = multiprocessing.get_context("fork").Process(target=train, args=(folder, name))
    process.start()
    return process


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_sigterm_at_any_number_from_others_saves_once_and_exits_to_resume(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path, "whole")
    process = start(tmp_path, "stopped")
    while not saved(tmp_path / "stopped-state"):
        assert process.is_alive()
        time.sleep(0.01)
    while process.is_alive():  # during a micro-batch, while it saves, and while Python ends
        subprocess.run(["kill", "-TERM", str(process.pid)], check=False, stderr=subprocess.DEVNULL)
    process.join()
    assert process.exitcode == RESUME_CODE
    assert capfd.readouterr().err.count("start again to resume") == 1
    train(tmp_path, "stopped")
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


class InterruptedWhileSaving(GPT):
    """Sends itself a signal at the moment when its weights are read."""

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        os.kill(os.getpid(), signal.SIGINT)
        return super().state_dict(*args, **kwargs)


def test_the_second_ctrl_c_ends_a_training_that_saves(tmp_path: Path) -> None:
    def stop_while_saving() -> None:
        train(tmp_path, "stopped", network=InterruptedWhileSaving, save_seconds=1e9, stop_at=3)

    process = multiprocessing.get_context("fork").Process(target=stop_while_saving)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGINT
    assert not saved(tmp_path / "stopped-state")


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_no_byte(tmp_path: Path) -> None:
    train(tmp_path, "first", updates=1)  # what PyTorch imports late is there for all
    begin = time.monotonic()
    whole = start(tmp_path, "whole")
    whole.join()
    seconds = time.monotonic() - begin
    chance, codes = random.Random(0), []
    while not (tmp_path / "killed").exists():
        assert len(codes) < 2 * KILLS
        process = start(tmp_path, "killed")
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
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
