import pytest
import torch

from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tokens.bpe import BPETokenizer

TEXT = """The cat sat on the mat. It didn't move; "why?" she said.
The dog - an old one - slept on the mat: question: who slept? answer: the cat, the dog.
No dog has moved the old cats. No cat has moved the old dogs (and who said it)."""


@pytest.fixture(scope="session")
def directory(tmp_path_factory):
    """A small model directory, as the stage writes it; its network is far from uniform."""
    directory = tmp_path_factory.mktemp("models") / "gpt"
    tokenizer = BPETokenizer.train([TEXT] * 3, merges=40)
    torch.manual_seed(0)
    sizes = {"layers": 2, "width": 32, "heads": 2, "context": 96, "dropout": 0.1}
    model = GPT(GPTConfig(vocab=len(tokenizer), **sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save(directory)
    tokenizer.save(directory)
    return directory


@pytest.fixture(autouse=True)
def _modules(tmp_path, monkeypatch):
    """`transformers` copies the code of a model directory into a cache, by default in the home."""
    import transformers.dynamic_module_utils

    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "m"))
    monkeypatch.syspath_prepend(tmp_path / "m")
