"""Questions a second of zero-shot scoring, against a plain batched loop over `transformers`.

Single sentences come in three kinds: sentences that share nothing; sentences that are each followed
by two words to compare, as in SST-2; and those of the real CoLA (with GPT1_REAL_DATA), many of
which begin alike: blocks of neighbours in sorted order, which share as much as all sentences would.

All sides have the same weights at the paper's size, the same token ids, fp32 and both cores. The
loop has one padded sequence for each answer and takes the log-softmax over all logits of a batch.
It runs twice: with the questions in their order, and sorted by length, as evaluation tools do. The
speed of the machine drifts, so rounds are interleaved.
"""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from transformers import OpenAIGPTLMHeadModel

from gpt1.analysis.zero_shot.scoring import Question, log_probabilities
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tasks.load import official
from gpt1.tokens.bpe import BPETokenizer

VOCABULARY, BATCH, ROUNDS = 40_478, 8, 3


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(2)
    model = GPT(
        GPTConfig(vocab=VOCABULARY, layers=12, width=768, heads=12, context=512, dropout=0.1)
    )
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        theirs = OpenAIGPTLMHeadModel.from_pretrained(folder).eval()
    compare("RACE-shaped: an article of 300 to 400 tokens, 4 answers", race(2), model, theirs)
    compare("sentences of 5 to 25 tokens that share nothing", sentences(48), model, theirs)
    compare("SST-2-shaped: such a sentence, then two words", sentiment(24), model, theirs)
    if real := os.environ.get("GPT1_REAL_DATA"):
        compare("CoLA, train and dev", cola(Path(real)), model, theirs)


def race(count: int) -> list[Question]:
    random = np.random.default_rng(0)
    return [
        Question(text(random, 300, 400), [text(random, 4, 14) for _ in range(4)])
        for _ in range(count)
    ]


def sentences(count: int) -> list[Question]:
    random = np.random.default_rng(1)
    return [Question([4], [text(random, 5, 25)]) for _ in range(count)]


def sentiment(count: int) -> list[Question]:
    random = np.random.default_rng(2)
    return [Question(text(random, 5, 25), [[5], [6]]) for _ in range(count)]


def cola(real: Path, blocks: int = 3, block: int = 32) -> list[Question]:
    tokenizer = BPETokenizer.load(real / "openai-bpe")
    examples = official("cola", real / "tasks" / "glue_data").examples
    texts = [example.text for example in examples if example.split != "test"]
    ids = sorted(tokenizer.encode_batch(texts))
    starts = np.random.default_rng(3).integers(len(ids) - block, size=blocks)
    full_stop = tokenizer.encode(".")
    return [Question(full_stop, [each]) for s in starts for each in ids[s : s + block]]


def text(random: np.random.Generator, low: int, high: int) -> list[int]:
    return random.integers(VOCABULARY, size=random.integers(low, high)).tolist()


def compare(
    title: str, questions: list[Question], model: GPT, theirs: OpenAIGPTLMHeadModel
) -> None:
    sides = {
        "gpt1": lambda: log_probabilities(model, questions),
        "as they come": lambda: plain_loop(theirs, questions),
        "sorted": lambda: plain_loop(theirs, questions, by_length=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        found = {}
        for name, side in sides.items():
            start = time.perf_counter()
            found[name] = side()
            seconds[name].append(time.perf_counter() - start)
    apart = max(
        np.abs(a - b).max()
        for one, other in zip(found["gpt1"], found["as they come"], strict=True)
        for a, b in zip(one, other, strict=True)
    )
    print(f"{title}; largest difference of a log-probability {apart:.1e}")
    for name, times in seconds.items():
        ratios = np.array(times) / np.array(seconds["gpt1"])
        rate = f"{len(questions) / np.median(times):8.2f} questions/s"
        spread = f"({ratios.min():.2f} to {ratios.max():.2f})"
        print(f"  {name:13} {rate}; gpt1 is {np.median(ratios):.2f} times as fast {spread}")


@torch.inference_mode()
def plain_loop(
    model: OpenAIGPTLMHeadModel, questions: list[Question], by_length: bool = False
) -> list[list[np.ndarray]]:
    rows = [
        (place, index, [*q.prefix, *continuation], len(q.prefix))
        for place, q in enumerate(questions)
        for index, continuation in enumerate(q.continuations)
    ]
    if by_length:
        rows.sort(key=lambda row: len(row[2]))
    found = [[np.empty(0)] * len(question.continuations) for question in questions]
    for first in range(0, len(rows), BATCH):
        batch = rows[first : first + BATCH]
        longest = max(len(row[2]) for row in batch)
        tokens = torch.tensor([row[2] + [0] * (longest - len(row[2])) for row in batch])
        scores = model(tokens[:, :-1]).logits.log_softmax(-1)
        scores = scores.gather(-1, tokens[:, 1:, None])[..., 0]
        for (place, index, ids, start), each in zip(batch, scores, strict=True):
            found[place][index] = each[start - 1 : len(ids) - 1].numpy()
    return found


if __name__ == "__main__":
    main()
