"""Damaged states and full disks: nothing begins anew in silence, no byte of a result changes."""

import dataclasses
import multiprocessing
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gpt1.errors import UserError
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.training.loop import Optimization, fit
from gpt1.training.optimizer import adamw
from gpt1.training.state import restore, saved, updates_done
from gpt1.training.stopping import RESUME_CODE
from tests.gpt1.training.windows import OPTIMIZATION, Windows

UPDATES, STOPPED = 12, 7
Hook = Callable[[int], None]


def new_model(width: int = 16) -> GPT:
    torch.manual_seed(0)
    return GPT(GPTConfig(vocab=50, layers=1, width=width, heads=2, context=8, dropout=0.1))


def train(
    folder: Path,
    before: Hook = lambda update: None,
    optimization: Optimization = OPTIMIZATION,
    save_seconds: float = 0.0,
) -> bytes:
    """A run that saves after every update; returns the bytes of its weights and its curve."""
    model = new_model()

    def batch_at(update: int) -> list[Tensor]:
        before(update)
        return list(torch.arange(72).view(8, 9).add(update).remainder(50).split(4))

    objective = Windows(model, UPDATES, batch_at, batch=8)
    curve = fit(objective, optimization, state=folder, title="test", save_seconds=save_seconds)
    weights = [parameter.detach().numpy().tobytes() for parameter in model.parameters()]
    return b"".join(weights) + curve.to_json().encode()


def stop(update: int) -> None:
    if update == STOPPED:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The states of a run that was stopped before update 7."""
    folder = tmp_path_factory.mktemp("stopped") / "state"
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        train(folder, stop)
    signal.signal(signal.SIGTERM, before)
    assert ended.value.code == RESUME_CODE
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return train(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def state(stopped: Path, tmp_path: Path) -> Path:
    return shutil.copytree(stopped, tmp_path / "state")


def cut(tenths: int) -> Callable[[bytes], bytes]:
    return lambda content: content[: len(content) * tenths // 10]


def flip(content: bytes) -> bytes:
    """One bit of the last tensor."""
    return content[:-1] + bytes([content[-1] ^ 1])


DAMAGE = {f"cut at {n} tenths": cut(n) for n in range(10)}
DAMAGE |= {"zeroed": lambda content: bytes(len(content)), "a flipped bit": flip}


def test_the_last_two_states_are_kept_and_named_after_their_updates(stopped: Path) -> None:
    assert [file.name for file in stopped.iterdir()] == [file.name for file in saved(stopped)]
    assert [file.stem for file in saved(stopped)] == ["0000006", "0000007"]


def test_a_file_that_people_put_there_is_no_state_and_the_order_is_that_of_numbers(
    tmp_path: Path,
) -> None:
    for name in ("10000000", "9999999", "0001200 (copy)", "0001200-old", ".0001300"):
        (tmp_path / f"{name}.safetensors").touch()
    assert [file.stem for file in saved(tmp_path)] == ["9999999", "10000000"]


def test_a_training_that_has_a_state_ends_with_one_so_that_a_stop_while_scoring_loses_nothing(
    state: Path, tmp_path: Path, whole: bytes
) -> None:
    assert train(state, save_seconds=1e9) == whole
    assert updates_done(state) == UPDATES
    started: list[int] = []
    assert train(state, started.append) == whole
    assert not started
    train(tmp_path / "short", save_seconds=1e9)
    assert not saved(tmp_path / "short"), "a short one begins anew in no time"


def test_a_state_of_other_code_is_refused_in_a_line(state: Path) -> None:
    for model, columns in ((new_model(width=32), 4), (new_model(), 5)):
        optimizer = adamw(model, weight_decay=0.0)
        with pytest.raises(UserError, match=r"7.safetensors: the state does not fit this code; pu"):
            restore(state, model, optimizer, np.zeros((UPDATES, columns)))


@pytest.mark.parametrize("damage", DAMAGE)
def test_training_resumes_from_the_older_state_where_the_last_is_damaged_and_says_so(
    state: Path, whole: bytes, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    older, last = saved(state)
    last.write_bytes(DAMAGE[damage](last.read_bytes()))
    assert updates_done(state) == STOPPED - 1
    resumed_at: list[int] = []
    assert train(state, resumed_at.append) == whole
    assert resumed_at[0] == STOPPED - 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert f"warning: {state}: a state is damaged ({last.name}: " in line
    assert line.endswith(f"training resumes from {older.name}")


@pytest.mark.parametrize("damage", DAMAGE)
def test_where_no_state_is_whole_training_refuses_to_begin_anew_until_the_folder_is_removed(
    state: Path, whole: bytes, damage: str
) -> None:
    for file in saved(state):
        file.write_bytes(DAMAGE[damage](file.read_bytes()))
    with pytest.raises(UserError, match=r"no state is whole .* remove that folder to begin anew"):
        train(state)
    shutil.rmtree(state)
    assert train(state) == whole


def test_a_damaged_state_never_outlives_the_whole_ones_that_follow(state: Path) -> None:
    (state / "0000009.safetensors").write_bytes(b"")
    (state / ".0000009.safetensors.1.part").write_bytes(b"of a killed process")
    with pytest.raises(InterruptedError):
        train(state, fail_at(8))
    assert [file.stem for file in saved(state)] == ["0000007", "0000008"]
    assert all(file.stat().st_size for file in saved(state))
    assert sorted(state.iterdir()) == saved(state)


def fail_at(update: int) -> Hook:
    def before(number: int) -> None:
        if number == update:
            raise InterruptedError

    return before


def limit_files(size: int) -> None:
    """As on a full disk: writing more than `size` bytes into a file fails."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def run(target: Callable[[], object]) -> int | None:
    """Its exit code in a process of its own, 3 for a UserError, which it prints."""

    def in_child() -> None:
        try:
            target()
        except UserError as error:
            print(error, file=sys.stderr)
            sys.exit(3)

    process = multiprocessing.get_context("fork").Process(target=in_child)
    process.start()
    process.join()
    return process.exitcode


def test_a_disk_that_is_full_for_a_while_costs_lines_and_no_state(
    tmp_path: Path, whole: bytes, capfd: pytest.CaptureFixture[str]
) -> None:

    def before(update: int) -> None:
        if update == 3:
            limit_files(10_000)
        if update == 6:
            assert [file.stem for file in saved(tmp_path)] == ["0000002", "0000003"]
            limit_files(1 << 30)

    def target() -> None:
        assert train(tmp_path, before) == whole

    assert run(target) == 0
    errors = capfd.readouterr().err
    lines = [line for line in errors.splitlines() if "cannot save the state" in line]
    assert len(lines) == 3
    assert all("File too large" in line and "that of update 3 in" in line for line in lines)
    assert [file.stem for file in saved(tmp_path)] == ["0000011", "0000012"]
    assert sorted(tmp_path.iterdir()) == saved(tmp_path)


def test_a_loss_that_is_not_finite_on_a_full_disk_says_which_state_is_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    diverging = dataclasses.replace(OPTIMIZATION, learning_rate=lambda n: 1e40 if n == 3 else 0.01)

    def before(update: int) -> None:
        if update == 3:
            limit_files(10_000)

    assert run(lambda: train(tmp_path, before, diverging)) == 3
    last = capfd.readouterr().err.splitlines()[-1]
    assert "the loss of update 5 is not finite; cannot save the state" in last
    assert "the last one is that of update 3 in" in last


def test_a_stop_on_a_full_disk_says_what_is_kept_and_is_no_request_to_resume(
    tmp_path: Path, whole: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    def before(update: int) -> None:
        if update == 3:
            limit_files(10_000)
        stop(update)

    assert run(lambda: train(tmp_path, before)) == 3
    errors = capfd.readouterr().err
    assert "the last one is that of update 3 in" in errors.splitlines()[-1]
    assert "Free space, and start again" in errors.splitlines()[-1]
    resumed_at: list[int] = []
    assert train(tmp_path, resumed_at.append) == whole
    assert resumed_at[0] == 3
