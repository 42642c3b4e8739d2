"""Dropout at the paper's four places: in training at its rate, in evaluation not at all."""

import pytest
import torch
from torch import Tensor

from gpt1.model.kernels import causal_attention
from gpt1.model.transformer import GPT, Attention, FeedForward, GPTConfig

RATE = 0.25
CONFIG = GPTConfig(vocab=50, layers=2, width=64, heads=4, context=160, dropout=RATE)


def expect_dropout(dropped: Tensor, whole: Tensor) -> None:
    """Every element is 0, in RATE of the cases, or grown so that the mean stays."""
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], whole[kept] / (1 - RATE))
    assert (~kept).float().mean().item() == pytest.approx(RATE, abs=0.02)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_of_the_sum_of_the_embeddings() -> None:
    model = GPT(GPTConfig(**vars(CONFIG) | {"layers": 0}))
    tokens = torch.randint(50, (4, 160))
    expect_dropout(model.train().states(tokens), model.eval().states(tokens))


def test_of_the_attention_probabilities() -> None:
    q, k = torch.randn(2, 2, 4, 160, 16)
    identity = torch.eye(160).expand(2, 4, 160, 160)
    probabilities = causal_attention(q, k, identity, 0.0)
    earlier = probabilities > 0  # a query sees itself and what came before, nothing else
    assert torch.equal(earlier, torch.ones(160, 160).tril().bool().expand_as(earlier))
    dropped = causal_attention(q, k, identity, RATE)
    assert not dropped[~earlier].any()
    expect_dropout(dropped[earlier], probabilities[earlier])


@pytest.mark.parametrize("branch", [FeedForward, Attention])
def test_of_both_residual_branches(
    branch: type[torch.nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "gpt1.model.transformer.causal_attention", lambda q, k, v, dropout: v
    )  # its own dropout is proved above
    module, x = branch(CONFIG), torch.randn(2, 160, 64)
    expect_dropout(module.train()(x), module.eval()(x))


def test_is_off_in_evaluation() -> None:
    model, other = GPT(CONFIG), GPT(GPTConfig(**vars(CONFIG) | {"dropout": 0.0}))
    other.load_state_dict(model.state_dict())
    tokens = torch.randint(50, (2, 160))
    assert torch.equal(model.eval()(tokens), other.eval()(tokens))
    torch.testing.assert_close(other.train()(tokens), other.eval()(tokens))
    assert not torch.equal(model.train()(tokens), model(tokens))


def test_every_block_passes_its_rate_to_the_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    monkeypatch.setattr(
        "gpt1.model.transformer.causal_attention",
        lambda q, k, v, dropout: rates.append(dropout) or v,
    )
    tokens = torch.randint(50, (2, 160))
    model = GPT(CONFIG)
    model.train()(tokens)
    model.eval()(tokens)
    assert rates == [RATE, RATE, 0.0, 0.0]
