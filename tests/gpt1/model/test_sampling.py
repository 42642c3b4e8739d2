"""Generation against `transformers`, and against the network without a cache."""

from pathlib import Path

import pytest
import torch
from transformers import OpenAIGPTLMHeadModel

from gpt1.model.sampling import choose, generate
from gpt1.model.transformer import GPT, GPTConfig


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab=97, layers=2, width=32, heads=4, context=40, dropout=0.1))
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.3)  # so that the next token is not the last
    return model.eval()


PROMPT = torch.tensor([[3, 14, 15, 92, 65], [35, 8, 97 - 1, 7, 93]])


def test_greedy_is_the_greedy_of_transformers_token_for_token(model: GPT, tmp_path: Path) -> None:
    model.save(tmp_path)
    theirs = OpenAIGPTLMHeadModel.from_pretrained(tmp_path).eval()
    expected = theirs.generate(PROMPT, max_new_tokens=35, do_sample=False, pad_token_id=0)
    ours = torch.stack(list(generate(model, PROMPT, 35)), dim=1)
    assert torch.equal(ours, expected[:, 5:])
    assert len(ours.unique()) > 5


def test_past_the_context_the_later_half_begins_a_new_one(model: GPT) -> None:
    ours = torch.stack(list(generate(model, PROMPT, 60)), dim=1)
    seen = PROMPT
    for step in range(60):
        if seen.shape[1] > 40:
            seen = seen[:, -20:]
        following = model(seen)[:, -1].argmax(-1)
        assert torch.equal(following, ours[:, step]), step
        seen = torch.cat([seen, following[:, None]], dim=1)


def test_the_same_seed_draws_the_same_text_and_another_one_another(model: GPT) -> None:
    one, two, other = (
        torch.stack(list(generate(model, PROMPT, 20, temperature=1.0, seed=seed)))
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("top_k", "top_p", "allowed"),
    [(2, 1.0, {1, 3}), (0, 0.45, {1}), (0, 0.55, {1, 3}), (0, 1.0, {0, 1, 2, 3}), (1, 1.0, {1})],
)
def test_only_the_most_probable_tokens_are_drawn(
    top_k: int, top_p: float, allowed: set[int]
) -> None:
    logits = torch.tensor([[0.05, 0.5, 0.05, 0.4]]).log().expand(500, 4)
    found = choose(logits, 1.0, top_k, top_p, torch.Generator().manual_seed(0))
    assert set(found.tolist()) == allowed


def test_temperature_sharpens_or_flattens_the_distribution() -> None:
    logits = torch.tensor([[1.0, 0.0]]).expand(20_000, 2)
    for temperature in (0.5, 1.0, 3.0):
        drawn = choose(logits, temperature, 0, 1.0, torch.Generator().manual_seed(0))
        expected = torch.tensor([1 / temperature, 0.0]).softmax(-1)[1].item()
        assert drawn.float().mean().item() == pytest.approx(expected, abs=0.01)
