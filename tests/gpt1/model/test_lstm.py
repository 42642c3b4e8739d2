"""The LSTM behind the interface of the transformer."""

import dataclasses
from pathlib import Path

import pytest
import torch

from gpt1.model.loading import load_model
from gpt1.model.lstm import LSTM, LSTMConfig
from gpt1.model.sampling import generate
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.training.loop import fit
from tests.gpt1.training.windows import OPTIMIZATION, Windows

CONFIG = LSTMConfig(vocab=31, layers=2, width=24, context=12, dropout=0.1)


@pytest.fixture
def model() -> LSTM:
    torch.manual_seed(0)
    return LSTM(CONFIG).eval()


TOKENS = torch.randint(31, (2, 12), generator=torch.manual_seed(1))


def test_no_token_sees_a_later_one(model: LSTM) -> None:
    changed = TOKENS.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % 31
    before, after = model(TOKENS), model(changed)
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.isclose(before[:, 7:], after[:, 7:]).any()


def test_its_gates_are_those_of_hochreiter_and_schmidhuber(model: LSTM) -> None:
    x = model.tokens(TOKENS)
    for layer in model.layers:
        weights = dict(layer.named_parameters())
        h = c = torch.zeros(2, 24)
        outputs = []
        for t in range(12):
            gates = x[:, t] @ weights["weight_ih_l0"].T + h @ weights["weight_hh_l0"].T
            gates = gates + weights["bias_ih_l0"] + weights["bias_hh_l0"]
            i, f, g, o = gates.chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        x = torch.stack(outputs, dim=1)
    torch.testing.assert_close(model.states(TOKENS), x, atol=1e-6, rtol=0)


def test_a_saved_one_is_loaded_as_what_it_is(model: LSTM, tmp_path: Path) -> None:
    model.add_special_tokens(3)
    model.save(tmp_path / "lstm")
    GPT(GPTConfig(vocab=5, layers=1, width=4, heads=1, context=3, dropout=0.1)).save(
        tmp_path / "gpt"
    )
    found = load_model(tmp_path / "lstm")
    assert isinstance(found, LSTM)
    assert torch.equal(found(TOKENS), model(TOKENS))
    assert found.config.vocab == 34
    assert isinstance(load_model(tmp_path / "gpt"), GPT)


def test_it_generates_what_it_would_without_a_cache(model: LSTM) -> None:
    torch.nn.init.normal_(model.tokens.weight)
    ours = torch.stack(list(generate(model, TOKENS[:, :4], 8)), dim=1)
    seen = TOKENS[:, :4]
    for _ in range(8):
        seen = torch.cat([seen, model(seen)[:, -1].argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(ours, seen[:, 4:])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns(model: LSTM, tmp_path: Path, precision: str) -> None:
    objective = Windows(model, 20, lambda update: [TOKENS], batch=len(TOKENS))
    optimization = dataclasses.replace(OPTIMIZATION, precision=precision)
    curve = fit(objective, optimization, state=tmp_path / "state", title="test")
    assert curve["loss"].iloc[-1] < curve["loss"].iloc[0] - 0.5


def test_its_layers_compute_in_fp32_whatever_autocast_asks_for(model: LSTM) -> None:
    """On CUDA autocast would take fp16. What a layer is given is the same on every device."""
    seen: list[tuple[bool, torch.dtype]] = []
    for layer in model.layers:
        layer.register_forward_pre_hook(
            lambda _, inputs: seen.append((torch.is_autocast_enabled("cpu"), inputs[0].dtype))
        )
    with torch.autocast("cpu", torch.bfloat16):
        states = model.train().states(TOKENS)
        assert torch.nn.functional.linear(states, model.tokens.weight).dtype == torch.bfloat16
    assert seen == [(False, torch.float32)] * 2
    assert states.dtype == torch.float32
