"""The loop: it learns, it accumulates, and it goes on where it stopped."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from gpt1.errors import UserError
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.training.callback import Callback, Row
from gpt1.training.loop import fit
from gpt1.training.state import saved
from gpt1.training.stopping import RESUME_CODE
from tests.gpt1.training.windows import OPTIMIZATION, Windows


@pytest.fixture(autouse=True)
def _sigterm_as_before() -> Iterator[None]:
    """A training that was stopped ignores SIGTERM until its process ends."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def new_model(dropout: float = 0.1) -> GPT:
    torch.manual_seed(0)
    return GPT(GPTConfig(vocab=50, layers=1, width=16, heads=2, context=8, dropout=dropout))


def batch_at(update: int, parts: int = 2) -> list[Tensor]:
    batch = torch.randint(50, (8, 9), generator=torch.Generator().manual_seed(update % 3))
    return list(batch.chunk(parts))


def train(
    model: GPT,
    state: Path,
    batch_at: Callable[[int], list[Tensor]] = batch_at,
    updates: int = 12,
    callbacks: Sequence[Callback] = (),
) -> pd.DataFrame:
    objective = Windows(model, updates, batch_at, batch=8)
    return fit(objective, OPTIMIZATION, state=state, title="test", callbacks=callbacks)


def stop_at(update: int) -> Callable[[int], list[Tensor]]:
    """Batches that send SIGTERM to this process in the middle of an update."""

    def batches(number: int) -> list[Tensor]:
        if number == update:
            os.kill(os.getpid(), signal.SIGTERM)
        return batch_at(number)

    return batches


def test_it_learns_the_same_bits_every_time(tmp_path: Path) -> None:
    one, two = new_model(), new_model()
    first, second = train(one, tmp_path / "a"), train(two, tmp_path / "b")
    assert first["loss"].iloc[-1] < first["loss"].iloc[0] - 0.1
    assert first.equals(second)
    assert all(map(torch.equal, one.parameters(), two.parameters()))


@pytest.mark.parametrize("update", [0, 1, 7])
def test_sigterm_loses_nothing_and_the_resumed_run_ends_in_the_same_bits(
    tmp_path: Path, update: int, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, resumed = new_model(), new_model()
    expected = train(whole, tmp_path / "whole")
    with pytest.raises(SystemExit) as stopped:
        train(new_model(), tmp_path / "state", batch_at=stop_at(update))
    assert stopped.value.code == RESUME_CODE
    assert f"test: stopped after {update} of 12 updates; start again" in capsys.readouterr().err
    assert len(saved(tmp_path / "state")) == min(1, update), "that of no update is not saved"
    assert train(resumed, tmp_path / "state").equals(expected)
    assert all(map(torch.equal, whole.parameters(), resumed.parameters()))


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_micro_batches_add_up_to_the_batch_when_dropout_is_off(tmp_path: Path, parts: int) -> None:
    whole, split = new_model(dropout=0), new_model(dropout=0)
    expected = train(whole, tmp_path / "a", batch_at=lambda u: batch_at(u, 1), updates=3)
    rows = train(split, tmp_path / "b", batch_at=lambda u: batch_at(u, parts), updates=3)
    torch.testing.assert_close(rows.to_numpy(), expected.to_numpy(), atol=1e-6, rtol=0)
    for one, two in zip(whole.parameters(), split.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=0)


class Parts(Windows):
    """Two named parts beside the loss, which is their sum."""

    losses = ("loss", "one", "two")

    def loss(self, windows: Tensor) -> dict[str, Tensor]:
        loss = super().loss(windows)["loss"]
        return {"one": 0.25 * loss, "loss": loss, "two": 0.75 * loss}


def test_the_curve_has_each_part_of_the_loss_summed_over_the_micro_batches(tmp_path: Path) -> None:
    expected = train(new_model(), tmp_path / "a", updates=3)
    objective = Parts(new_model(), 3, batch_at, batch=8)
    curve = fit(objective, OPTIMIZATION, state=tmp_path / "b", title="test")
    assert [*curve] == ["update", "loss", "one", "two", "rate", "gradient_norm"]
    assert curve.drop(columns=["one", "two"]).equals(expected)
    assert list(curve["one"] + curve["two"]) == pytest.approx(list(curve["loss"]), rel=1e-6)


class Seen(Callback):
    def __init__(self) -> None:
        self.rows: list[Row] = []

    def on_update(self, updates: int, row: Row) -> None:
        assert row["update"] == updates
        self.rows.append(row)


def test_a_callback_sees_every_row_of_the_curve_once_also_when_training_resumes(
    tmp_path: Path,
) -> None:
    seen = Seen()
    with pytest.raises(SystemExit):
        train(new_model(), tmp_path / "state", stop_at(5), callbacks=[seen])
    curve = train(new_model(), tmp_path / "state", callbacks=[seen])
    assert pd.DataFrame(seen.rows).astype({"update": int}).equals(curve)


def test_a_loss_that_is_not_finite_stops_at_once_and_names_the_update(tmp_path: Path) -> None:
    model = new_model()
    torch.nn.init.constant_(model.tokens.weight, float("nan"))
    with pytest.raises(UserError, match="the loss of update 1 is not finite; it is the first"):
        train(model, tmp_path / "state")
    assert not saved(tmp_path / "state")


class NotFinite(Windows):
    """Its loss is infinite in one update."""

    def loss(self, windows: Tensor) -> dict[str, Tensor]:
        loss = super().loss(windows)["loss"]
        return {"loss": loss * torch.inf if windows[0, 0] == windows[0, 1] == 0 else loss}


@pytest.mark.parametrize("bad", [0, 5])
def test_an_update_whose_loss_is_not_finite_is_left_out_by_order_and_no_other(
    tmp_path: Path, bad: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def batch(update: int, bad: Sequence[int]) -> list[Tensor]:
        return [torch.zeros(8, 9, dtype=torch.int64)] if update in bad else batch_at(update)

    def run(model: GPT, *bad: int, skip: bool) -> pd.DataFrame:
        objective = NotFinite(model, 9, lambda update: batch(update, bad), batch=8)
        state = tmp_path / "s"
        return fit(objective, OPTIMIZATION, state=state, title="test", callbacks=[seen], skip=skip)

    seen = Seen()
    kept = "the state before it is kept in" if bad else "it is the first"
    with pytest.raises(UserError, match=f"the loss of update {bad + 1} is not finite; {kept}"):
        run(new_model(), bad, 7, skip=bad != 0)
    weights = [torch.clone(each) for each in new_model().parameters()]
    with pytest.raises(UserError, match="the loss of update 8 is not finite"):
        run(model := new_model(), bad, 7, skip=True)
    assert not all(map(torch.equal, weights, model.parameters()))
    curve = run(new_model(), bad, 7, skip=True)
    assert list(curve.loc[curve["loss"].isna(), "update"]) == [bad + 1, 8]
    told = re.findall(r"warning: test: the loss of update (\d+) is", capsys.readouterr().err)
    assert told == [str(bad + 1), "8"], "with the numbers of the curve"
    assert curve["gradient_norm"].isna().sum() == 2
    assert pd.DataFrame(seen.rows).astype({"update": int}).equals(curve), "also those left out"
    assert curve["rate"].notna().all()


def test_a_precision_that_the_processor_only_emulates_gives_a_line_that_says_how_slow() -> None:
    script = "import torch; from gpt1.training.cost import warn_if_emulated as warn;"
    script += "warn(torch.device('cpu'), 'fp32'); warn(torch.device('cpu'), 'bf16')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},  # as on a processor without bf16
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = done.stderr.splitlines()
    assert "bf16 is only emulated here; its matrix products take " in line
    assert "times as long as those of fp32" in line
