"""What decays and what does not, by name."""

import pytest
import torch

from gpt1.model.transformer import GPT, GPTConfig
from gpt1.training.optimizer import adamw

MODEL = {"vocab": 11, "layers": 2, "width": 8, "heads": 2, "context": 4, "dropout": 0.1}


def test_weights_and_embeddings_decay_and_biases_and_gains_do_not() -> None:
    model = GPT(GPTConfig(**MODEL))
    optimizer = adamw(model, weight_decay=0.5)
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    for parameter in model.parameters():
        torch.nn.init.ones_(parameter)
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    after = {name: value.flatten()[0].item() for name, value in model.named_parameters()}
    decayed = {name for name, value in after.items() if value < 1}
    assert decayed == {name for name in after if name.endswith(".weight") and "_norm." not in name}
    assert all(after[name] == pytest.approx(0.95) for name in decayed)
    assert all(after[name] == 1 for name in after.keys() - decayed)
