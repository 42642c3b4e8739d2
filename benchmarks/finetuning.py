"""Examples a second of fine-tuning and prediction, against a plain `transformers` loop.

    GPT1_REAL_DATA=FOLDER python benchmarks/finetuning.py [paper | demo] [sst2 | mrpc | race]

Both sides have the same network, inputs and losses, in bf16 where the processor has it and else in
fp32; both pad to the longest sequence of a batch. `same` measures both on the same shuffled
batches, `own` measures ours on batches of similar length, as it trains. The measured batches are
spread evenly between the shortest and the longest of an epoch. The speed of the machine drifts, so
the sides are interleaved step by step: compare the ratios alone.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import OpenAIGPTModel

from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tasks import load
from gpt1.tasks.inputs import Batch, Inputs, LengthBatches, collate
from gpt1.tasks.model import TaskModel
from gpt1.tokens.bpe import BPETokenizer
from gpt1.training.cost import EMULATED, emulation
from gpt1.training.optimizer import adamw

SIZES = {
    "paper": {"layers": 12, "width": 768, "heads": 12, "context": 512},
    "demo": {"layers": 4, "width": 128, "heads": 4, "context": 512},
}
PLACES = {"sst2": "glue_data", "mrpc": "glue_data", "race": "RACE"}
BATCH = {"sst2": 32, "mrpc": 8, "race": 2}
EXAMPLES, AUXILIARY, THREADS = 2000, 0.5, 2
ROUNDS = {"demo": 15, "paper": 3}
BF16 = emulation(torch.device("cpu"), torch.bfloat16) <= EMULATED


class Plain(torch.nn.Module):
    """The plain way: the network of `transformers`, full logits, two separate losses."""

    def __init__(self, ours: TaskModel) -> None:
        super().__init__()
        with tempfile.TemporaryDirectory() as folder:
            ours.network.save(Path(folder))
            self.network = OpenAIGPTModel.from_pretrained(folder).train()
        self.head = torch.nn.Linear(self.network.config.n_embd, ours.task.outputs)
        self.dropout = torch.nn.Dropout(0.1)
        self.task = ours.task

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        states = self.network(batch.tokens).last_hidden_state
        extract = states[torch.arange(len(states)), batch.lengths - 1]
        if self.task.shape == "multiple_choice":
            return self.head(self.dropout(extract)).view(len(batch.targets), -1), states
        if self.task.shape == "similarity":
            extract = extract.view(len(batch.targets), 2, -1).sum(1)
        return self.head(self.dropout(extract)), states

    def loss(self, batch: Batch) -> Tensor:
        scores, states = self(batch)
        targets = batch.tokens[:, 1:]
        logits = (states[:, :-1] @ self.network.tokens_embed.weight.T).float().flatten(0, 1)
        losses = F.cross_entropy(logits, targets.flatten(), reduction="none").view_as(targets)
        real = torch.arange(1, batch.tokens.shape[1]) < batch.lengths[:, None]
        language = ((losses * real).sum(1) / real.sum(1)).mean()
        return F.cross_entropy(scores.float(), batch.targets.long()) + AUXILIARY * language


def main(size: str, name: str) -> None:
    torch.set_num_threads(THREADS)
    ours, inputs = prepared(size, name)
    plain = Plain(ours)
    count, batch = len(inputs.sequences), BATCH[name]
    shuffled = np.random.default_rng(0).permutation(count)
    by_length = LengthBatches(inputs.lengths, batch, seed=0)
    sorted_ = np.argsort(inputs.lengths, kind="stable")
    rounds = ROUNDS[size]
    random = spread([shuffled[n : n + batch] for n in range(0, count, batch)], inputs, rounds)
    own = spread([by_length(update) for update in range(by_length.in_epoch)], inputs, rounds)
    asked = spread([sorted_[n : n + batch] for n in range(0, count, batch)], inputs, rounds)
    training = {
        "transformers": (trainer(plain, plain.loss), random),
        "same": (trainer(ours, lambda part: ours.loss(part, AUXILIARY)), random),
        "own": (trainer(ours, lambda part: ours.loss(part, AUXILIARY)), own),
    }
    report(f"{size}, {name}, training", training)
    prediction = {
        "transformers": (predictor(plain), random),
        "same": (predictor(ours), random),
        "own": (predictor(ours), asked),
    }
    report(f"{size}, {name}, prediction", prediction)


def spread(batches: list[np.ndarray], inputs: Inputs, rounds: int) -> list[Batch]:
    """`rounds` whole batches from the shortest to the longest, after one more to warm up."""
    whole = [each for each in batches if len(each) == len(batches[0])]
    ordered = sorted(whole, key=lambda each: inputs.lengths[each].max())
    places = [len(ordered) * (2 * n + 1) // (2 * rounds) for n in range(rounds)]
    return [collate(inputs, ordered[place]) for place in (places[-1], *places)]


def prepared(size: str, name: str) -> tuple[TaskModel, Inputs]:
    if not (data := os.environ.get("GPT1_REAL_DATA")):
        sys.exit("set GPT1_REAL_DATA to the folder with tasks/: it measures the official files")
    real = Path(data)
    tokenizer = BPETokenizer.load(real / "openai-bpe")
    loaded = load.official(name, real / "tasks" / PLACES[name])
    torch.manual_seed(0)
    config = GPTConfig(vocab=len(tokenizer) + 3, dropout=0.1, **SIZES[size])
    model = TaskModel(GPT(config), loaded.task, tokenizer)
    train = [example for example in loaded.examples if example.split == "train"]
    return model, model.encode(train[:EXAMPLES])


def trainer(model: torch.nn.Module, loss: Callable[[Batch], Tensor]) -> Callable[[Batch], None]:
    optimizer = adamw(model, weight_decay=0.01)
    for group in optimizer.param_groups:
        group["lr"] = 1e-5

    def step(batch: Batch) -> None:
        model.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
            value = loss(batch)
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def predictor(model: torch.nn.Module) -> Callable[[Batch], None]:
    @torch.inference_mode()
    def step(batch: Batch) -> None:
        model.eval()
        with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
            model(batch)

    return step


def report(title: str, sides: dict[str, tuple[Callable[[Batch], None], list[Batch]]]) -> None:
    """Print means over all batches, which differ in length; sides take turns step by step."""
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    rounds = min(len(batches) for _, batches in sides.values())
    for round_ in range(rounds):
        for side, (step, batches) in sides.items():
            start = time.perf_counter()
            step(batches[round_])
            seconds[side].append(time.perf_counter() - start)
    examples = len(batches[0].targets)
    precision = "bf16" if BF16 else "fp32"
    print(f"\n{title}, {precision}: {examples} examples a batch, {rounds - 1} batches")
    print("| side | examples/s | ratio |\n|---|---|---|")
    base = statistics.mean(seconds["transformers"][1:])
    for side, taken in seconds.items():
        mean = statistics.mean(taken[1:])
        print(f"| {side} | {examples / mean:.2f} | {base / mean:.2f} |", flush=True)


if __name__ == "__main__":
    sizes = [each for each in SIZES if each in sys.argv[1:]] or list(SIZES)
    names = [each for each in PLACES if each in sys.argv[1:]] or list(PLACES)
    for size in sizes:
        for name in names:
            main(size, name)
