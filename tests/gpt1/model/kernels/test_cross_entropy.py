"""The chunked loss against full logits in float64, and what it costs."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from gpt1.model.kernels import cross_entropy
from gpt1.model.kernels.cross_entropy import linear_cross_entropy

N, C, V = 23, 16, 41


@pytest.fixture
def given():
    torch.manual_seed(0)
    states, weight = torch.randn(N, C).mul_(3), torch.randn(V, C)
    return states.requires_grad_(), weight.requires_grad_(), torch.randint(V, (N,)), torch.rand(N)


@pytest.mark.parametrize("chunk", [1, 8, 100])
def test_loss_and_gradients_are_those_of_full_logits(given, chunk, monkeypatch):
    monkeypatch.setattr(cross_entropy, "CHUNK", chunk)
    states, weight, targets, scale = given
    exact = [states.detach().double(), weight.detach().double()]
    logits = exact[0].requires_grad_() @ exact[1].requires_grad_().T
    (F.cross_entropy(logits, targets, reduction="none") * scale).sum().backward()
    (2 * linear_cross_entropy(states, weight, targets, scale)).backward()
    for ours, theirs in zip((states, weight), exact, strict=True):
        torch.testing.assert_close(ours.grad.double(), 2 * theirs.grad, rtol=1e-4, atol=1e-5)


def test_where_no_gradient_is_wanted_only_the_logits_are_computed(given):
    operations = {}
    for name, mode in {"inference": torch.inference_mode(), "none": torch.no_grad()}.items():
        with mode, FlopCounterMode(display=False) as counter:
            value = linear_cross_entropy(*given)
        operations[name] = counter.get_total_flops()
        assert not value.requires_grad
    assert operations == {"inference": 2 * N * C * V, "none": 2 * N * C * V}
