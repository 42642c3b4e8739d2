"""The param reaches PyTorch, in time, and costs no bit on the CPU."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gpt1.errors import UserError
from gpt1.model.gpt2 import GPT2
from gpt1.model.lstm import LSTM, LSTMConfig
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tasks.inputs import collate
from gpt1.tasks.table import Shape
from gpt1.tokens.bpe import BPETokenizer
from gpt1.training.determinism import WORKSPACE, use_deterministic
from gpt1.training.loop import fit
from tests.gpt1.tasks.test_model import SHAPES, TEXTS, examples, task_model
from tests.gpt1.training.test_loop import batch_at, new_model, train
from tests.gpt1.training.windows import OPTIMIZATION, Windows


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:2")
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
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:2"
    assert not torch._inductor.config.deterministic
    use_deterministic(True)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == WORKSPACE
    assert torch._inductor.config.deterministic


RAISE_ON_CUDA = {
    *("put_", "put", "histc", "median", "cumsum", "kthvalue", "nll_loss2d_forward", "_ctc_loss"),
    *("scatter_reduce", "grid_sampler_2d", "upsample_linear1d", "_embedding_bag"),
}
"""Operations that have no deterministic form there, by `torch.use_deterministic_algorithms`, as far
as a language model could want them; and `bincount` with weights."""


class Operations(TorchDispatchMode):
    """Collects the operations of a block that would end a deterministic training on CUDA."""

    def __init__(self) -> None:
        super().__init__()
        self.count, self.wrong = 0, set[str]()

    def __torch_dispatch__(
        self, function: Any, types: Any, given: Any = (), named: Any = None
    ) -> Any:
        name = function.overloadpacket.__name__
        weighted = name == "bincount" and (given[1:2] not in ((), (None,)) or named)
        self.count += 1
        if weighted or name.removesuffix("_") in RAISE_ON_CUDA or name in RAISE_ON_CUDA:
            self.wrong.add(name)
        return function(*given, **(named or {}))


SIZES = {"vocab": 20, "layers": 1, "width": 8, "context": 6, "dropout": 0.1}


@pytest.mark.parametrize(
    "network",
    [lambda: GPT(GPTConfig(heads=2, **SIZES)), lambda: GPT2(GPTConfig(heads=2, **SIZES)),
     lambda: LSTM(LSTMConfig(**SIZES))],
    ids=["GPT", "GPT2", "LSTM"],
)  # fmt: skip
def test_pretraining_has_no_operation_that_a_gpu_has_in_no_deterministic_form(network: Any) -> None:
    windows, model = torch.randint(20, (2, 7)), network().train()
    with Operations() as seen:
        model.loss(model.states(windows[:, :-1]), windows[:, 1:]).backward()
    assert seen.count > 20
    assert not seen.wrong


@pytest.mark.parametrize("shape", SHAPES)
def test_nor_has_fine_tuning(shape: Shape) -> None:
    model = task_model(BPETokenizer.train(TEXTS, merges=8), shape, dropout=0.1).train()
    inputs = model.encode(examples(shape))
    with Operations() as seen:
        model.loss(collate(inputs, [*range(len(inputs.sequences))]), 0.5).backward()
    assert seen.count > 20
    assert not seen.wrong


def test_such_an_operation_would_be_seen() -> None:
    torch.use_deterministic_algorithms(False)  # other tests of this process may have asked for them
    with Operations() as seen:
        torch.zeros(3).put_(torch.tensor([0]), torch.ones(1)).cumsum(0)
        torch.bincount(torch.tensor([0]))
        torch.bincount(torch.tensor([0]), torch.ones(1))
    assert seen.wrong == {"put_", "cumsum", "bincount"}
