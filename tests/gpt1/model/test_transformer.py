"""The network against `transformers`' OpenAI GPT with the same weights."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

from gpt1.errors import UserError
from gpt1.model.transformer import GPT, GPTConfig

TINY = GPTConfig(vocab=97, layers=2, width=32, heads=4, context=24, dropout=0.1)


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(0)
    return GPT(TINY).eval()


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(TINY.vocab, (3, TINY.context), generator=torch.manual_seed(1))


def test_transformers_opens_our_directory_and_gives_the_same_logits(
    model: GPT, tokens: Tensor, tmp_path: Path
) -> None:
    model.save(tmp_path)
    theirs = OpenAIGPTLMHeadModel.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(model(tokens), theirs(tokens).logits, atol=1e-5, rtol=0)


def test_we_open_a_directory_of_transformers_and_give_the_same_logits(
    tokens: Tensor, tmp_path: Path
) -> None:
    config = OpenAIGPTConfig(vocab_size=97, n_positions=24, n_embd=32, n_layer=2, n_head=4)
    theirs = OpenAIGPTLMHeadModel(config).eval()
    theirs.save_pretrained(tmp_path)
    torch.testing.assert_close(GPT.load(tmp_path)(tokens), theirs(tokens).logits, atol=1e-5, rtol=0)


def test_loss_is_the_cross_entropy_of_the_logits(model: GPT, tokens: Tensor) -> None:
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    expected = torch.nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(model.loss(model.states(inputs), targets), expected)


def test_weighted_loss_leaves_out_what_weighs_nothing(model: GPT, tokens: Tensor) -> None:
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    weights = torch.zeros(targets.shape)
    weights[1, 4] = 2.0
    expected = 2 * torch.nn.functional.cross_entropy(model(inputs)[1, 4], targets[1, 4])
    torch.testing.assert_close(model.loss(model.states(inputs), targets, weights), expected)


def test_special_tokens_come_after_the_vocabulary_and_change_nothing_before_it(
    model: GPT, tokens: Tensor, tmp_path: Path
) -> None:
    before = model(tokens)
    model.add_special_tokens(3)
    assert model(tokens).shape == (3, 24, 100)
    torch.testing.assert_close(model(tokens)[..., :97], before)
    model.save(tmp_path)
    assert GPT.load(tmp_path).config.vocab == 100


def test_a_missing_weight_is_named(model: GPT, tmp_path: Path) -> None:
    model.save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(UserError, match=r"model\.safetensors: cut short"):
        GPT.load(tmp_path)


def test_saving_twice_gives_the_same_bytes(model: GPT, tmp_path: Path) -> None:
    model.save(tmp_path / "one")
    GPT.load(tmp_path / "one").save(tmp_path / "two")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
