"""The network, its loss and its training against the formulas of the paper in float64 NumPy.

The formulas share no code with the network. They take complex numbers too, so that `gradient` can
differentiate by the complex step, exact to the last digits: f'(x) = Im f(x + ih) / h for a tiny h.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from gpt1.model.gpt2 import GPT2
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.training import schedule
from gpt1.training.loop import Optimization, fit
from tests.gpt1.training.windows import Windows

Weights = dict[str, np.ndarray]
SIZE = {"layers": 2, "heads": 2}
WINDOWS = np.random.default_rng(0).integers(7, size=(2, 5))


@pytest.fixture(params=[GPT, GPT2])
def model(request: pytest.FixtureRequest) -> GPT:
    torch.manual_seed(0)
    model = request.param(GPTConfig(vocab=7, width=4, context=4, dropout=0.0, **SIZE)).double()
    for parameter in model.parameters():  # so that no bias is 0 and no gain is 1
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def weights_of(model: GPT) -> Weights:
    return {name: value.detach().numpy().copy() for name, value in model.named_parameters()}


def test_states_and_logits_are_those_of_the_formulas(model: GPT) -> None:
    expected = states(weights_of(model), WINDOWS[0, :4], 2, 2)
    tokens = torch.as_tensor(WINDOWS[:1, :4])
    np.testing.assert_allclose(model.eval().states(tokens)[0].detach(), expected, atol=1e-12)
    logits = expected @ weights_of(model)["tokens.weight"].T
    np.testing.assert_allclose(model(tokens)[0].detach(), logits, atol=1e-12)


def test_three_updates_are_those_of_the_formulas(model: GPT, tmp_path: Path) -> None:
    weights, adam = weights_of(model), Adam()
    rates = [0.005, 0.01, 0.01]  # warm-up over two updates, then the top of the cosine
    expected = []
    for rate in rates:
        expected.append(loss(weights, WINDOWS, 2, 2))
        slope = gradient(weights, WINDOWS, 2, 2)
        weights = adam.step(weights, slope, rate=rate, decay=0.1, clip=0.5)

    objective = Windows(model, 3, lambda update: [torch.as_tensor(WINDOWS)], batch=len(WINDOWS))
    optimization = Optimization(
        learning_rate=lambda update: schedule.cosine(update, peak=0.01, warmup=2, updates=10),
        weight_decay=0.1,
        clip=0.5,
        precision="fp32",
        seed=0,
    )
    curve = fit(objective, optimization, state=tmp_path / "state", title="test")
    assert list(curve["rate"]) == rates
    np.testing.assert_allclose(curve["loss"], expected, atol=1e-6)
    for name, value in weights_of(model).items():
        np.testing.assert_allclose(value, weights[name], atol=1e-6, err_msg=name)


def states(weights: Weights, tokens: np.ndarray, layers: int, heads: int) -> np.ndarray:
    """h_0 = U W_e + W_p; h_l = transformer_block(h_{l-1}): tokens (T,) to (T, C).

    With a norm at the end, the blocks are those of GPT-2 (section 2.3 of its paper).
    """
    is_gpt2 = "norm.weight" in weights
    h = weights["tokens.weight"][tokens] + weights["positions.weight"][: len(tokens)]
    for layer in range(layers):
        block = {
            name.removeprefix(f"blocks.{layer}."): value
            for name, value in weights.items()
            if name.startswith(f"blocks.{layer}.")
        }
        if is_gpt2:
            h = h + attend(block, layer_norm(block, "attention_norm", h), heads)
            h = h + feed_forward(block, layer_norm(block, "feed_forward_norm", h))
        else:
            n = layer_norm(block, "attention_norm", h + attend(block, h, heads))
            h = layer_norm(block, "feed_forward_norm", n + feed_forward(block, n))
    return layer_norm(weights, "norm", h) if is_gpt2 else h


def loss(weights: Weights, tokens: np.ndarray, layers: int, heads: int) -> float:
    """L_1 over windows (B, T + 1): the mean of -log P(next token), P = softmax(h_n W_e^T)."""
    total = 0.0
    for window in tokens:
        logits = states(weights, window[:-1], layers, heads) @ weights["tokens.weight"].T
        probabilities = softmax(logits)
        total = total - np.log(probabilities[np.arange(len(logits)), window[1:]]).mean()
    return total / len(tokens)


def attend(block: Weights, h: np.ndarray, heads: int) -> np.ndarray:
    q, k, v = np.split(linear(block, "attention.queries_keys_values", h), 3, axis=1)
    size = q.shape[1] // heads
    mixed = []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        rows = []
        for t in range(len(h)):
            scores = k[: t + 1, part] @ q[t, part] / np.sqrt(size)
            rows.append(softmax(scores) @ v[: t + 1, part])
        mixed.append(np.array(rows))
    return linear(block, "attention.output", np.concatenate(mixed, axis=1))


def feed_forward(block: Weights, h: np.ndarray) -> np.ndarray:
    inner = gelu(linear(block, "feed_forward.expand", h))
    return linear(block, "feed_forward.contract", inner)


def linear(block: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return x @ block[f"{name}.weight"].T + block[f"{name}.bias"]


def layer_norm(block: Weights, name: str, x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1, keepdims=True)
    return centred / np.sqrt(variance + 1e-5) * block[f"{name}.weight"] + block[f"{name}.bias"]


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x)
    return powers / powers.sum(axis=-1, keepdims=True)


def gradient(weights: Weights, tokens: np.ndarray, layers: int, heads: int) -> Weights:
    """Of the loss with respect to every single weight."""
    step = 1e-30
    found = {name: np.zeros_like(value) for name, value in weights.items()}
    for name, value in weights.items():
        for index in np.ndindex(value.shape):
            moved = value.astype(complex)
            moved[index] += 1j * step
            found[name][index] = loss(weights | {name: moved}, tokens, layers, heads).imag / step
    return found


class Adam:
    """Algorithm 2 of Loshchilov and Hutter, "AdamW", after clipping the gradient's norm."""

    def __init__(self) -> None:
        self.t, self.m, self.v = 0, {}, {}

    def step(
        self, weights: Weights, gradient: Weights, *, rate: float, decay: float, clip: float
    ) -> Weights:
        self.t += 1
        norm = np.sqrt(sum((g**2).sum() for g in gradient.values()))
        after = {}
        for name, value in weights.items():
            g = gradient[name] * min(1, clip / norm)
            self.m[name] = 0.9 * self.m.get(name, 0) + 0.1 * g
            self.v[name] = 0.999 * self.v.get(name, 0) + 0.001 * g**2
            m = self.m[name] / (1 - 0.9**self.t)
            v = self.v[name] / (1 - 0.999**self.t)
            decays = decay if value.ndim == 2 else 0.0
            after[name] = value - rate * (m / (np.sqrt(v) + 1e-8) + decays * value)
        return after
