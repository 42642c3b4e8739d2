"""What pretraining feeds the loop, and what comes out of it."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML

from gpt1.errors import UserError
from gpt1.model.language_model import LanguageModel
from gpt1.model.transformer import GPT
from gpt1.params import Model, parse
from gpt1.training.disk import warn_if_short
from gpt1.training.pretraining import Batches, downsample, pretrain

SHIPPED = YAML(typ="safe").load(Path(__file__).parents[3] / "params.yaml")["models"]["gpt"]
TINY = {
    "layers": 1,
    "width": 16,
    "heads": 2,
    "context": 8,
    "epochs": 3,
    "batch": 4,
    "micro_batch": 2,
    "warmup": 2,
    "learning_rate": 1e-2,
    "threads": 1,
}


def params(**changes: Any) -> Model:
    return parse(Model, SHIPPED | TINY | changes, "models.gpt")


@dataclass
class Reader:
    """The first windows of a text that counts to 50 over and over; an epoch has one window less."""

    context: int = 8
    epochs: list[int] = field(default_factory=list)
    tokens: int = 1000
    words: int = 800

    def windows(self, context: int, seed: int, epoch: int) -> "Reader":
        return Reader(context, [epoch])

    def __len__(self) -> int:
        return 13 - self.epochs[0]

    def batch(self, rows: np.ndarray) -> np.ndarray:
        starts = self.epochs[0] * 1000 + rows * self.context
        return (starts[:, None] + np.arange(self.context + 1)) % 50


def run(folder: Path, reader: Any = None, **changes: Any) -> tuple[GPT, pd.DataFrame]:
    return pretrain(
        params(**changes),
        reader or Reader(),
        vocab=50,
        device=torch.device("cpu"),
        folder=folder,
        title="test",
        held_out=held_out,
    )


def held_out(model: LanguageModel) -> float:
    """The loss on numbers that count down."""
    windows = torch.arange(48, 39, -1)[None]
    with torch.inference_mode():
        return float(model.eval().loss(model.states(windows[:, :-1]), windows[:, 1:]))


def test_the_held_out_loss_is_in_the_curve_and_changes_nothing_else(tmp_path: Path) -> None:
    plain, rows = run(tmp_path / "plain", validate_every=0)
    model, watched = run(tmp_path / "watched", validate_every=4)
    assert rows["valid_loss"].isna().all()
    assert list(watched.loc[watched["valid_loss"].notna(), "update"]) == [4, 8]
    assert watched["valid_loss"].iloc[-1] == held_out(model)
    pd.testing.assert_frame_equal(watched.drop(columns="valid_loss"), rows.iloc[:, :-1])
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


def test_updates_are_the_whole_batches_of_each_epoch() -> None:
    batches = Batches(Reader(), params())  # type: ignore[arg-type]
    assert batches.updates == 3 + 3 + 2


def test_every_update_takes_the_next_windows_of_its_epoch_in_micro_batches() -> None:
    batches = Batches(Reader(), params())  # type: ignore[arg-type]
    for update, (epoch, first) in {0: (0, 0), 2: (0, 8), 3: (1, 0), 7: (2, 4)}.items():
        parts = batches.at(update)
        assert [part.shape for part in parts] == [(2, 9), (2, 9)]
        expected = Reader(8, [epoch]).batch(np.arange(first, first + 4))
        assert torch.cat(parts).tolist() == expected.tolist()


def test_too_few_books_for_one_batch_are_refused() -> None:
    with pytest.raises(UserError, match="13 windows of 8 tokens, fewer than one batch of 16"):
        Batches(Reader(), params(batch=16, epochs=1))  # type: ignore[arg-type]


def test_no_epoch_is_no_pretraining(tmp_path: Path) -> None:
    model, curve = run(tmp_path, epochs=0)
    other, _ = run(tmp_path, epochs=0)
    assert curve.empty
    assert all(map(torch.equal, model.parameters(), other.parameters()))


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    _, curve = run(tmp_path, epochs=10)
    assert curve["loss"].iloc[-1] < curve["loss"].iloc[0] - 0.5


def test_checkpoints_are_kept_after_the_updates_that_were_asked_for(tmp_path: Path) -> None:
    model, _ = run(tmp_path, checkpoints=[0, 8])
    kept = sorted((tmp_path / "checkpoints").iterdir())
    assert [folder.name for folder in kept] == ["0000000", "0000008"]
    last = GPT.load(kept[1])
    assert all(map(torch.equal, model.parameters(), last.parameters()))


def test_a_disk_that_will_be_full_is_said_at_the_start_with_what_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the paper's network, whose size is published, with no checkpoints and far too many."""
    size = {"layers": 12, "width": 768, "heads": 12, "context": 512}

    def said(checkpoints: int) -> str:
        listed = params(checkpoints=list(range(checkpoints)), **size)
        warn_if_short(listed, 40_478, "test", folder=tmp_path / "s", out=tmp_path / "models/gpt")
        return capsys.readouterr().err

    if shutil.disk_usage(tmp_path).free > 6e9:
        assert not said(0)
    found = re.search(r"needs ([\d,.]+) GB more on the disk of .* has ([\d,.]+) GB", said(10**6))
    assert found
    needed, free = (float(each.replace(",", "")) for each in found.groups())
    assert needed == pytest.approx((2 * 10**6 + 10) * 116_534_784 * 4 / 1e9)
    assert free == pytest.approx(shutil.disk_usage(tmp_path).free / 1e9, rel=0.1)


def test_a_checkpoint_is_whole_or_absent_and_a_full_disk_ends_the_run_in_one_line(
    tmp_path: Path,
) -> None:
    (tmp_path / "checkpoints").write_text("no folder can be made here")
    with pytest.raises(UserError, match=r"cannot save this checkpoint \(.*start again"):
        run(tmp_path, checkpoints=[0])


def test_half_precision_follows_full_precision(tmp_path: Path) -> None:
    _, full = run(tmp_path / "fp32", precision="fp32")
    _, half = run(tmp_path / "bf16", precision="bf16")
    assert list(full["loss"]) == pytest.approx(list(half["loss"]), abs=0.02)


def test_a_downsampled_curve_keeps_the_means_and_the_last_update() -> None:
    curve = pd.DataFrame({"update": range(1, 11), "loss": np.arange(10.0)})
    assert downsample(curve, 4).to_dict("list") == {
        "update": [3, 6, 9, 10],
        "loss": [1.0, 4.0, 7.0, 9.0],
    }
    assert downsample(curve[:0], 4).empty


@pytest.mark.slow
def test_too_little_memory_names_the_micro_batch_that_fits(tmp_path: Path) -> None:
    """In a process whose address space is limited: its allocator really fails."""
    script = f"""
import resource, sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[3])]!r}
from pathlib import Path
import test_pretraining as test
size = int(next(line for line in open("/proc/self/status") if "VmSize" in line).split()[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (size + (500 << 20),) * 2)
try:
    test.run(Path("state"), test.Large(), width=512, heads=8, layers=2, batch=4096,
             micro_batch=4096, epochs=1, dropout=0.0)
except test.UserError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert re.search(r"micro_batch: 4096 is too much for the memory; \d+ fits", done.stdout)


class Large(Reader):
    """An epoch of one large batch."""

    def windows(self, context: int, seed: int, epoch: int) -> "Large":
        return Large(context, [epoch])

    def __len__(self) -> int:
        return 4096
