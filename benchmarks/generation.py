"""Generation and validation perplexity at the paper's size, against `transformers` and a bound.

    python benchmarks/generation.py

Generation: 128 new tokens after 128, greedy, fp32, same weights, both cores. `transformers` has no
cache for this model and reads the whole text again for every token. All 128 tokens would take half
an hour, so its time is the mean at three lengths between 128 and 255. The bound at batch 1 is
memory bandwidth, measured between the runs: every weight is read once a token. Where the processor
has bf16, weights are held in it too (`gpt1 generate --bf16`). Perplexity: the same
windows of 512 tokens, ours and a plain loop over `transformers`.
"""

import copy
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import OpenAIGPTLMHeadModel

from gpt1.model.perplexity import measure_perplexity
from gpt1.model.sampling import generate
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tokens.shards import Document
from gpt1.training.cost import EMULATED, emulation

CONFIG = GPTConfig(vocab=40_478, layers=12, width=768, heads=12, context=512, dropout=0.1)
PROMPT, NEW, WINDOWS, ROUNDS = 128, 128, 4, 2
LENGTHS = (128, 192, 255)


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(2)
    model = GPT(CONFIG).eval()
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        theirs = OpenAIGPTLMHeadModel.from_pretrained(folder).eval()
    has_bf16 = emulation(torch.device("cpu"), torch.bfloat16) <= EMULATED
    half = copy.deepcopy(model).bfloat16() if has_bf16 else None
    size = sum(parameter.numel() * 4 for parameter in model.parameters())
    for batch in (1, 16):
        tokens = torch.randint(CONFIG.vocab, (batch, 512))
        bandwidths, ours, halved, other = [], [], [], []
        for _ in range(ROUNDS if batch == 1 else 1):
            bandwidths.append(bandwidth())
            ours.append(seconds(partial(list, generate(model, tokens[:, :PROMPT], NEW))))
            if half:
                halved.append(seconds(partial(list, generate(half, tokens[:, :PROMPT], NEW))))
            other.append(NEW * statistics.mean(plain(theirs, tokens, n) for n in LENGTHS))
        rate, their_rate = (batch * NEW / min(times) for times in (ours, other))
        print(f"batch {batch}: gpt1 {rate:.1f} tokens/s, transformers {their_rate:.2f}", end=", ")
        print(f"ratio {rate / their_rate:.1f}", end="")
        if batch == 1:
            bound = max(bandwidths) / size
            print(f"; the bandwidth of {max(bandwidths) / 1e9:.1f} GB/s allows {bound:.1f}", end="")
            print(f" tokens/s, ratio {rate / bound:.2f}", end="")
        if halved:
            print(f"; weights in bf16 {batch * NEW / min(halved):.1f} tokens/s", end="")
        print()
    perplexity(model, theirs)


def plain(model: OpenAIGPTLMHeadModel, tokens: Tensor, length: int) -> float:
    """Seconds for one more token after `length`."""
    with torch.inference_mode():
        return seconds(lambda: model(tokens[:, :length]).logits[:, -1].argmax(-1))


def perplexity(model: GPT, theirs: OpenAIGPTLMHeadModel) -> None:
    random = np.random.default_rng(0)
    document = random.integers(CONFIG.vocab, size=WINDOWS * CONFIG.context + 1)
    ends_word = np.ones(CONFIG.vocab, bool)
    ids = torch.as_tensor(document)
    found: dict[str, float] = {}

    def ours() -> None:
        found["gpt1"] = measure_perplexity(
            model, [Document("0", document, 1)], ends_word=ends_word, batch=WINDOWS
        ).loss

    def other() -> None:
        windows = ids[:-1].view(WINDOWS, CONFIG.context)
        targets = ids[1:].view(WINDOWS, CONFIG.context)
        with torch.inference_mode():
            logits = theirs(windows).logits.flatten(0, 1)
            found["theirs"] = torch.nn.functional.cross_entropy(logits, targets.flatten()).item()

    times = [(seconds(ours), seconds(other)) for _ in range(ROUNDS)]
    ratios = [theirs / ours for ours, theirs in times]
    tokens = WINDOWS * CONFIG.context
    print(
        f"perplexity: gpt1 {tokens / min(t for t, _ in times):.0f} tokens/s, transformers "
        f"{tokens / min(t for _, t in times):.0f}, ratio {statistics.median(ratios):.2f}; "
        f"apart {abs(found['gpt1'] - found['theirs']):.1e} of {math.exp(found['gpt1']):.0f}"
    )


def bandwidth() -> float:
    """Bytes a second that both cores read."""
    numbers = torch.ones(1 << 27)
    return numbers.nbytes / min(seconds(numbers.sum) for _ in range(5))


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
