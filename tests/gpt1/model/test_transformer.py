"""The network against `transformers`' OpenAI GPT with the same weights."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel

from gpt1.errors import UserError
from gpt1.model.transformer import GPT, GPTConfig

TINY = GPTConfig(vocab=97, layers=2, width=32, heads=4, context=24, dropout=0.1)
FULL = GPTConfig(vocab=40_478, layers=12, width=768, heads=12, context=512, dropout=0.1)


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


def compare_training(config: GPTConfig, batch: int, directory: Path) -> None:
    """Logits, loss and every gradient, ours and theirs, from the same weights."""
    ours = GPT(config).eval()
    ours.save(directory)
    theirs = OpenAIGPTLMHeadModel.from_pretrained(directory).eval()
    tokens = torch.randint(config.vocab, (batch, config.context), generator=torch.manual_seed(1))
    output = theirs(tokens, labels=tokens)
    torch.testing.assert_close(ours(tokens), output.logits, atol=1e-5, rtol=0)
    loss = ours.loss(ours.states(tokens)[:, :-1], tokens[:, 1:])
    torch.testing.assert_close(loss, output.loss, atol=1e-5, rtol=0)
    loss.backward()
    output.loss.backward()
    gradients = {name: p.grad for name, p in ours.named_parameters() if p.grad is not None}
    ours.LAYOUT.save(directory / "gradients", vars(config), gradients)
    found = load_file(directory / "gradients" / "model.safetensors")
    expected = {name: p.grad for name, p in theirs.transformer.named_parameters()}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=0, msg=name)


def test_loss_and_every_gradient_are_those_of_transformers(tmp_path: Path) -> None:
    compare_training(TINY, 3, tmp_path)


@pytest.mark.nightly
def test_at_full_size_too(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        compare_training(FULL, 1, tmp_path)


def test_at_full_size_there_are_116_534_784_parameters() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in GPT(FULL).parameters()) == 116_534_784


def test_weights_start_as_the_paper_says() -> None:
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab=2000, layers=1, width=128, heads=2, context=64, dropout=0.1))
    for name, value in model.named_parameters():
        if "norm" in name:
            assert (value == (1 if name.endswith("weight") else 0)).all(), name
        elif name.endswith("bias"):
            assert (value == 0).all(), name
        else:
            assert value.std().item() == pytest.approx(0.02, rel=0.03), name
            assert value.mean().item() == pytest.approx(0, abs=0.001), name


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


def test_the_loss_of_half_precision_is_summed_in_full_precision() -> None:
    """In bf16 a loss near 15 could only be a multiple of 0.06."""
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab=100, layers=1, width=16, heads=2, context=8, dropout=0.0))
    torch.nn.init.normal_(model.tokens.weight)
    tokens = torch.randint(100, (64, 9))
    losses = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses.append(model.loss(model.states(tokens[:, :-1]), tokens[:, 1:]).item())
    assert losses[1] == pytest.approx(losses[0], abs=2e-3)
    assert losses[1] * 16 % 1 != 0
