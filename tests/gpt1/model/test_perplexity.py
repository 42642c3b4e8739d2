"""Held-out perplexity against a token-by-token reading of its rule."""

import math

import numpy as np
import pytest
import torch

from gpt1.model.perplexity import measure_perplexity
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tokens.shards import Document


def test_held_out_loss_is_that_of_each_token_after_those_of_its_stretch() -> None:
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab=30, layers=1, width=16, heads=2, context=5, dropout=0.1))
    torch.nn.init.normal_(model.tokens.weight)  # so that tokens differ in probability
    random = np.random.default_rng(0)
    documents = [random.integers(30, size=n).astype(np.uint16) for n in (13, 1, 6, 11)]
    ends_word = np.arange(30) % 3 == 0
    nats, words = 0.0, 0
    for ids in documents:
        for i in range(1, len(ids)):
            start = (i - 1) // 5 * 5
            seen = torch.as_tensor(ids[None, start:i].astype(np.int64))
            with torch.no_grad():
                nats -= model.eval()(seen)[0, -1].log_softmax(-1)[int(ids[i])].item()
            words += bool(ends_word[ids[i]])
    whole = [Document(str(n), ids, 100) for n, ids in enumerate(documents)]
    found = measure_perplexity(model, whole, ends_word=ends_word, batch=3)
    assert found.tokens == 12 + 0 + 5 + 10
    assert found.words == words
    assert found.nats == pytest.approx(nats, rel=1e-5)
    assert found.bytes == 400
    assert found.bits_per_byte == pytest.approx(math.log2(math.exp(nats)) / 400, rel=1e-4)
    assert found.perplexity_per_word == pytest.approx(math.exp(nats / words), rel=1e-4)
