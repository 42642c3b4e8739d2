"""The chunked loss against full logits in float64, and what it costs."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from gpt1.model.kernels import TokenLosses, accelerator, cpu, cross_entropy, linear_cross_entropy

N, C, V = 23, 16, 41


@pytest.fixture(params=[cpu, accelerator], ids=["cpu", "accelerator"])
def kernel(request, monkeypatch):
    """Both forms, which are the same formula on any device."""
    monkeypatch.setattr(cross_entropy, "cpu", request.param)
    return request.param


@pytest.fixture
def given():
    torch.manual_seed(0)
    states, weight = torch.randn(N, C).mul_(3), torch.randn(V, C)
    targets, scale = torch.randint(V, (N,)), torch.rand(N)
    return states.requires_grad_(), weight.requires_grad_(), targets, scale, TokenLosses()


@pytest.mark.parametrize("chunk", [1, 8, 100])
def test_loss_and_gradients_are_those_of_full_logits(kernel, given, chunk, monkeypatch):
    monkeypatch.setattr(kernel, "TOKENS_AT_ONCE", chunk)
    states, weight, targets, scale, _ = given
    exact = [states.detach().double(), weight.detach().double()]
    logits = exact[0].requires_grad_() @ exact[1].requires_grad_().T
    value = (F.cross_entropy(logits, targets, reduction="none") * scale).sum()
    value.backward()
    ours = linear_cross_entropy(*given)
    torch.testing.assert_close(ours.double(), value, rtol=1e-6, atol=0)
    (2 * ours).backward()
    for ours, theirs in zip((states, weight), exact, strict=True):
        torch.testing.assert_close(ours.grad.double(), 2 * theirs.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("kernel")
def test_under_autocast_the_products_are_bf16_and_the_loss_is_that_of_full_logits(given):
    states, weight, targets, scale, _ = given
    rounded = states.bfloat16() @ weight.bfloat16().T
    exact = (F.cross_entropy(rounded.double(), targets, reduction="none") * scale).sum()
    exact.backward()
    expected = [states.grad, weight.grad]
    states.grad = weight.grad = None
    with torch.autocast("cpu", torch.bfloat16):
        ours = linear_cross_entropy(*given)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), exact, rtol=1e-5, atol=0)
    ours.backward()
    for gradient, other in zip((states.grad, weight.grad), expected, strict=True):
        assert gradient.dtype == torch.float32
        torch.testing.assert_close(gradient, other, rtol=0.05, atol=0.02)


@pytest.mark.usefixtures("kernel")
def test_where_no_gradient_is_wanted_only_the_logits_are_computed(given):
    operations = {}
    for name, mode in {"inference": torch.inference_mode(), "none": torch.no_grad()}.items():
        with mode, FlopCounterMode(display=False) as counter:
            value = linear_cross_entropy(*given)
        operations[name] = counter.get_total_flops()
        assert not value.requires_grad
    assert operations == {"inference": 2 * N * C * V, "none": 2 * N * C * V}
