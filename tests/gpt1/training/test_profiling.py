"""A profile is of the updates that it says, and leaves the training as it is."""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gpt1.errors import UserError
from gpt1.training.profiling import ACTIVE, WAIT, WARMUP
from gpt1.training.stopping import RESUME_CODE
from tests.gpt1.training.test_loop import batch_at, new_model, stop_at, train

FIRST, LAST = WAIT + WARMUP + 1, WAIT + WARMUP + ACTIVE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GPT1_PROFILE", str(tmp_path / "a folder/profile"))
    return tmp_path / "a folder/profile"


@pytest.fixture(autouse=True)
def _sigterm_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def written(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def test_a_profiled_training_ends_in_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    profiled, plain = new_model(), new_model()
    curve = train(profiled, tmp_path / "one")
    assert written(folder)
    monkeypatch.delenv("GPT1_PROFILE")
    assert train(plain, tmp_path / "two").equals(curve)
    assert all(map(torch.equal, profiled.parameters(), plain.parameters()))


def test_the_trace_has_the_operations_of_the_updates_in_its_name_and_no_others(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def marked(update: int) -> list[Tensor]:
        torch.ops.profiler._record_function_enter_new(f"update {update + 1}")
        return batch_at(update)

    train(new_model(), tmp_path, marked)
    [name] = written(folder)
    assert name == f"test-{FIRST}-{LAST}.json"
    trace = json.loads((folder / name).read_text())
    names = [event["name"] for event in trace["traceEvents"]]
    marks = [each for each in dict.fromkeys(names) if re.fullmatch(r"update \d+", each)]
    assert marks == [f"update {update}" for update in range(FIRST, LAST + 1)]
    assert names.count("aten::embedding") >= 2 * ACTIVE
    assert not [event for event in trace["traceEvents"] if "Input Dims" in event.get("args", {})]
    [line] = [each for each in capsys.readouterr().err.splitlines() if "profile" in each]
    assert f"{folder / name} has the profile of updates {FIRST} to {LAST}; open it at" in line


@pytest.mark.parametrize("update", [WAIT + 1, FIRST])
def test_a_training_that_is_stopped_before_its_profile_is_whole_writes_none_and_its_next_start_does(
    tmp_path: Path, folder: Path, update: int, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, resumed = new_model(), new_model()
    with pytest.raises(SystemExit) as stopped:
        train(new_model(), tmp_path / "state", stop_at(update), updates=20)
    assert stopped.value.code == RESUME_CODE
    assert not written(folder)
    assert f"no profile, for it ended before update {LAST} was done" in capsys.readouterr().err
    train(resumed, tmp_path / "state", updates=20)
    assert written(folder) == [f"test-{update + FIRST}-{update + LAST}.json"]
    train(whole, tmp_path / "whole", updates=20)
    assert all(map(torch.equal, whole.parameters(), resumed.parameters()))


def test_a_training_of_fewer_updates_says_that_there_is_no_profile(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(new_model(), tmp_path, updates=3)
    assert not written(folder)
    assert capsys.readouterr().err.count(f"before update {LAST} was done") == 1


def test_a_file_in_the_place_of_the_folder_is_refused_before_the_first_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GPT1_PROFILE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=f"^GPT1_PROFILE={tmp_path / 'file'}: .* is a file;"):
        train(new_model(), tmp_path / "state")


def test_a_trace_that_cannot_be_written_costs_a_line_and_no_training(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def batches(update: int) -> list[Tensor]:
        if update == FIRST:
            os.rmdir(folder)
            folder.touch()
        return batch_at(update)

    curve = train(new_model(), tmp_path / "state", batches)
    assert len(curve) == 12
    said = [each for each in capsys.readouterr().err.splitlines() if "profile" in each]
    assert [each for each in said if "cannot write the profile" in each] == said
