"""Questions a second of zero-shot scoring, against a plain batched loop over `transformers`.

Both sides have the same weights at the paper's size, the same token ids, fp32 and both cores. The
loop is what evaluation tools do: one padded sequence for each answer, sorted by length, log-softmax
over all logits of a batch. Rounds are interleaved, for the machine's speed drifts.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from transformers import OpenAIGPTLMHeadModel

from gpt1.analysis.zero_shot.scoring import Question, log_probabilities
from gpt1.model.transformer import GPT, GPTConfig

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
    compare("RACE-shaped: an article of 300 to 400 tokens, 4 answers", race(6), model, theirs)
    compare("single sentences of 5 to 25 tokens", sentences(96), model, theirs)


def race(count: int) -> list[Question]:
    random = np.random.default_rng(0)
    return [
        Question(text(random, 300, 400), [text(random, 4, 14) for _ in range(4)])
        for _ in range(count)
    ]


def sentences(count: int) -> list[Question]:
    random = np.random.default_rng(1)
    return [Question([4], [text(random, 5, 25)]) for _ in range(count)]


def text(random: np.random.Generator, low: int, high: int) -> list[int]:
    return random.integers(VOCABULARY, size=random.integers(low, high)).tolist()


def compare(
    title: str, questions: list[Question], model: GPT, theirs: OpenAIGPTLMHeadModel
) -> None:
    seconds: dict[str, list[float]] = {"gpt1": [], "transformers": []}
    for _ in range(ROUNDS):
        start = time.perf_counter()
        ours = log_probabilities(model, questions)
        middle = time.perf_counter()
        plain = plain_loop(theirs, questions)
        seconds["gpt1"].append(middle - start)
        seconds["transformers"].append(time.perf_counter() - middle)
    apart = max(
        np.abs(a - b).max()
        for one, other in zip(ours, plain, strict=True)
        for a, b in zip(one, other, strict=True)
    )
    print(f"{title}; largest difference of a log-probability {apart:.1e}")
    for name, times in seconds.items():
        print(f"  {name:13} {len(questions) / np.median(times):8.2f} questions/s")
    ratios = np.array(seconds["transformers"]) / np.array(seconds["gpt1"])
    print(f"  ratio         {np.median(ratios):8.2f} ({ratios.min():.2f} to {ratios.max():.2f})")


@torch.inference_mode()
def plain_loop(model: OpenAIGPTLMHeadModel, questions: list[Question]) -> list[list[np.ndarray]]:
    rows = [
        (place, index, [*q.prefix, *continuation], len(q.prefix))
        for place, q in enumerate(questions)
        for index, continuation in enumerate(q.continuations)
    ]
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
