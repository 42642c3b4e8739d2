"""The param reaches PyTorch, in time, and costs no bit on the CPU."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gpt1.errors import UserError
from gpt1.training.determinism import WORKSPACE, use_deterministic
from gpt1.training.loop import fit
from tests.gpt1.training.test_loop import batch_at, new_model, train
from tests.gpt1.training.windows import OPTIMIZATION, Windows


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    before = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(before)


class Unordered(Windows):
    """Its loss has an operation that PyTorch has in no deterministic form, on no device."""

    def loss(self, windows: Tensor) -> dict[str, Tensor]:
        loss = super().loss(windows)["loss"]
        torch.zeros(2).put_(torch.tensor([1]), loss.detach())
        return {"loss": loss}


def test_an_operation_without_a_deterministic_form_ends_training_in_one_line_that_names_it(
    tmp_path: Path,
) -> None:
    objective = Unordered(new_model(), 3, batch_at, batch=8)
    use_deterministic(True)
    with pytest.raises(UserError) as refused:
        fit(objective, OPTIMIZATION, state=tmp_path / "a", title="pretrain gpt")
    assert str(refused.value).startswith("pretrain gpt: put_ has no deterministic form on this dev")
    assert "\n" not in str(refused.value)
    use_deterministic(False)
    assert len(fit(objective, OPTIMIZATION, state=tmp_path / "b", title="pretrain gpt")) == 3


def test_on_the_cpu_the_bits_are_the_same_with_and_without(tmp_path: Path) -> None:
    models, curves = [], []
    for wanted in (True, False):
        use_deterministic(wanted)
        models.append(new_model())
        curves.append(train(models[-1], tmp_path / str(wanted)))
    assert curves[0].equals(curves[1])
    assert all(map(torch.equal, *(model.parameters() for model in models)))


def test_new_tensors_are_not_filled() -> None:
    use_deterministic(True)
    assert not torch.utils.deterministic.fill_uninitialized_memory


def test_cublas_and_the_compiler_are_told_too_and_only_when_it_is_wanted() -> None:
    use_deterministic(False)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    assert not torch._inductor.config.deterministic
    use_deterministic(True)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == WORKSPACE
    assert torch._inductor.config.deterministic
