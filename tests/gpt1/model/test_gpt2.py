"""The network of GPT-2 against `transformers`' with the same weights, and against GPT's parts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

import gpt1
from gpt1.analysis.transfer import first_layers
from gpt1.analysis.zero_shot.scoring import Question, log_probabilities
from gpt1.errors import UserError
from gpt1.model.gpt2 import GPT2
from gpt1.model.lstm import LSTM, LSTMConfig
from gpt1.model.sampling import generate
from gpt1.model.transformer import GPT, GPTConfig

TINY = GPTConfig(vocab=97, layers=2, width=32, heads=4, context=24, dropout=0.1)
RELEASED = GPTConfig(vocab=50_257, layers=12, width=768, heads=12, context=1024, dropout=0.1)
TOKENS = torch.randint(97, (3, 24), generator=torch.manual_seed(1))


@pytest.fixture
def model() -> GPT2:
    """With no bias at 0 and no gain at 1."""
    torch.manual_seed(0)
    model = GPT2(TINY).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def their_model() -> GPT2LMHeadModel:
    config = GPT2Config(vocab_size=97, n_positions=24, n_embd=32, n_layer=2, n_head=4)
    torch.manual_seed(0)
    return GPT2LMHeadModel(config).eval()


def same(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def compare_training(model: GPT2, tokens: Tensor, directory: Path) -> None:
    """Logits, loss and every gradient, ours and theirs, from the same weights."""
    model.save(directory)
    theirs = GPT2LMHeadModel.from_pretrained(directory).eval()
    output = theirs(tokens, labels=tokens)
    same(model(tokens), output.logits)
    loss = model.loss(model.states(tokens)[:, :-1], tokens[:, 1:])
    same(loss, output.loss)
    loss.backward()
    output.loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.LAYOUT.save(directory / "gradients", vars(model.config), gradients)
    found = load_file(directory / "gradients" / "model.safetensors")
    expected = {name: p.grad for name, p in theirs.transformer.named_parameters()}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=0, msg=name)


def test_logits_loss_and_every_gradient_are_those_of_transformers(
    model: GPT2, tmp_path: Path
) -> None:
    compare_training(model, TOKENS, tmp_path)


@pytest.mark.nightly
def test_at_the_released_size_too(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        compare_training(GPT2(RELEASED).eval(), torch.randint(50_257, (1, 1024)), tmp_path)


def test_at_the_released_size_there_are_124_439_808_parameters() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in GPT2(RELEASED).parameters()) == 124_439_808


@pytest.mark.parametrize("layout", ["with a head", "without", "released", "inner width"])
def test_every_layout_of_the_same_weights_is_opened(layout: str, tmp_path: Path) -> None:
    theirs = their_model()
    (theirs.transformer if layout == "without" else theirs).save_pretrained(tmp_path)
    if layout == "released":  # no prefix, the masks, and the tied head once more
        weights = load_file(tmp_path / "model.safetensors")
        weights = {name.removeprefix("transformer."): w for name, w in weights.items()}
        for layer in range(2):
            weights[f"h.{layer}.attn.bias"] = torch.ones(24, 24).tril().view(1, 1, 24, 24)
            weights[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
        weights["lm_head.weight"] = weights["wte.weight"].clone()
        save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    if layout == "inner width":
        change_config(tmp_path, n_inner=128)
    found = gpt1.load(tmp_path)
    assert isinstance(found, GPT2)
    same(found(TOKENS), theirs(TOKENS).logits)


def change_config(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("activation_function", "relu", "'relu'; the network of GPT-2 has 'gelu_new'"),
        ("n_inner", 64, "n_inner is 64; the network of GPT-2 has None"),
        ("scale_attn_by_inverse_layer_idx", True, "the network of GPT-2 has False"),
        ("tie_word_embeddings", False, "tie_word_embeddings is False"),
        ("n_layer", 1, "has more layers than the 1 of config.json"),
        ("n_layer", 3, r"the weight h\.2\..* is missing"),
        ("model_type", "openai-gpt", "GPT-1 with 2 layers has no weight ln_f.bias"),
        ("model_type", "bert", "model_type is 'bert', neither 'openai-gpt' nor 'gpt2'"),
    ],
)
def test_a_config_of_another_network_is_refused(
    model: GPT2, tmp_path: Path, key: str, value: object, said: str
) -> None:
    model.save(tmp_path)
    if key == "model_type":
        change_config(tmp_path, afn="gelu")
    change_config(tmp_path, **{key: value})
    with pytest.raises(UserError, match=said):
        gpt1.load(tmp_path)


def test_any_directory_is_loaded_as_what_it_is_and_saved_to_the_same_bytes(tmp_path: Path) -> None:
    lstm = LSTM(LSTMConfig(vocab=31, layers=2, width=24, context=12, dropout=0.1))
    for name, model in {"gpt": GPT(TINY), "gpt2": GPT2(TINY), "lstm": lstm}.items():
        model.save(tmp_path / name)
        found = gpt1.load(tmp_path / name)
        assert type(found) is type(model)
        found.save(tmp_path / "again" / name)
        for file in ("config.json", "model.safetensors"):
            again = (tmp_path / "again" / name / file).read_bytes()
            assert (tmp_path / name / file).read_bytes() == again, (name, file)


def test_gpt1_is_imported_without_torch() -> None:
    code = "import gpt1, sys; gpt1.load; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_weights_start_as_gpt2_says_from_the_draws_of_gpt() -> None:
    config = GPTConfig(vocab=2000, layers=8, width=128, heads=2, context=64, dropout=0.1)
    drawn = []
    for kind in (GPT, GPT2):
        torch.manual_seed(0)
        drawn.append(dict(kind(config).named_parameters()))
    before, after = drawn
    assert after.keys() - before.keys() == {"norm.weight", "norm.bias"}
    for name, value in after.items():
        if "norm" in name:
            assert (value == (1 if name.endswith("weight") else 0)).all(), name
            continue
        projects = name.endswith(("attention.output.weight", "feed_forward.contract.weight"))
        scale = 0.25 if projects else 0.5 if name == "positions.weight" else 1  # sqrt(2 x 8) = 4
        torch.testing.assert_close(value, before[name] * scale, msg=name)
        if not name.endswith("bias"):
            assert value.std().item() == pytest.approx(0.02 * scale, rel=0.03), name


def test_it_generates_what_it_would_without_a_cache(model: GPT2) -> None:
    ours = torch.stack(list(generate(model, TOKENS[:, :4], 8)), dim=1)
    seen = TOKENS[:, :4]
    for _ in range(8):
        seen = torch.cat([seen, model(seen)[:, -1].argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(ours, seen[:, 4:])


def test_questions_that_share_a_prefix_are_scored_as_if_alone(model: GPT2) -> None:
    question = Question([1, 2, 3], [[4, 5], [4, 6, 7], [8]])
    [scores] = log_probabilities(model, [question])
    for continuation, found in zip(question.continuations, scores, strict=True):
        ids = torch.tensor([[*question.prefix, *continuation]])
        every = model(ids)[0].log_softmax(-1)
        expected = [every[2 + i, id].item() for i, id in enumerate(continuation)]
        assert found.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_the_last_norm_is_transferred_with_the_last_layer(model: GPT2, layers: int) -> None:
    found = first_layers(model, layers)
    assert isinstance(found, GPT2)
    assert torch.equal(found.norm.weight, model.norm.weight) == (layers == 2)
    for index, (ours, theirs) in enumerate(zip(found.blocks, model.blocks, strict=True)):
        equal = torch.equal(ours.attention.output.weight, theirs.attention.output.weight)
        assert equal == (index < layers)
    assert torch.equal(found(TOKENS), model(TOKENS)) == (layers == 2)


def test_special_tokens_of_an_imported_one_are_those_that_generation_of_transformers_heeds(
    tmp_path: Path,
) -> None:
    theirs = their_model()
    asked = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    free = theirs.generate(TOKENS[:1, :4], **asked)[0, 4:]
    stop = int(free[2])
    theirs.config.bos_token_id, theirs.config.pad_token_id = 5, 7
    theirs.config.eos_token_id = theirs.generation_config.eos_token_id = [stop, 6]
    theirs.save_pretrained(tmp_path / "theirs")
    model = gpt1.load(tmp_path / "theirs")
    model.add_special_tokens(3)  # as a fine-tuned one
    model.save(tmp_path / "ours")
    opened = GPT2LMHeadModel.from_pretrained(tmp_path / "ours").eval()
    config = opened.config
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (5, [stop, 6], 7)
    found = opened.generate(TOKENS[:1, :4], **asked)
    assert found.tolist() == theirs.generate(TOKENS[:1, :4], **asked).tolist()
    assert found[0, -1] in (stop, 6)
    assert found.shape[1] < 12
    change_config(tmp_path / "theirs", eos_token_id=97)  # the vocabulary ends before
    gpt1.load(tmp_path / "theirs").save(tmp_path / "ours")
    assert GPT2Config.from_pretrained(tmp_path / "ours").eos_token_id is None
