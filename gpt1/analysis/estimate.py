"""Estimates of operations, memory and time of training and inference, before they start."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from gpt1.analysis.zero_shot.task import select_examples
from gpt1.model.kernels.cpu import TOKENS_AT_ONCE
from gpt1.model.transformer import GPTConfig
from gpt1.params import Model, paper
from gpt1.tasks import table
from gpt1.training.cost import PRECISIONS, product_rate, training_operations
from gpt1.training.optimizer import adamw
from gpt1.training.peaks import Card, Precision, titled
from gpt1.training.pretraining import new_model

ACCELERATORS = [titled(each) for each in ("RTX 4090", "A100", "H100 SXM")]
"""GPUs that people rent, dear ones last."""
UTILISATION = 0.4
"""Model FLOPs utilisation; nanoGPT reports about 0.4 for GPT-2 on A100s."""
PAPER_TOKENS = 100 * 1.0e9 * 1.23
"""100 epochs of a billion words, at 1.23 tokens a word: 14 novels with 40,000 merges gave that."""
PAPER_VOCABULARY = 40_478
CHARACTERS = 4.5
"""In a token of English prose: 14 novels with 40,000 merges. For use before tokens are counted."""
TOKENIZED = 1.8e6
"""Characters of different texts that one core tokenizes a second: MNLI and QQP, docs/log.md."""
BASE_SYMBOLS = 478
"""Of the released vocabulary, in addition to its merges."""
MEASURED_SECONDS = 1.0
PATIENCE = 20.0
"""Longest time of one window, in seconds, for which a training step is measured."""
BYTES_A_PARAMETER = 16
"""Weight, gradient and the two moments of AdamW, in fp32."""


@dataclass(frozen=True)
class Training:
    """The cost of training on `tokens` tokens."""

    tokens: float
    parameters: int
    operations: float
    memory: float
    """Bytes at the peak: weights, gradients, moments, activations and a chunk of logits."""
    seconds: float
    """On this machine."""
    precision: Precision

    def times(self, factor: float) -> "Training":
        """The cost of `factor` times the tokens."""
        scaled = {
            name: getattr(self, name) * factor for name in ("tokens", "operations", "seconds")
        }
        return replace(self, **scaled)

    def forward_only(self) -> "Training":
        """Inference on the same tokens: a third of the operations, and memory for weights only."""
        third = {name: getattr(self, name) / 3 for name in ("operations", "seconds")}
        return replace(self, memory=4.0 * self.parameters, **third)

    def days_on(self, card: Card) -> float:
        """Days on one `card` at UTILISATION of its peak."""
        return self.operations / (card.peak(self.precision) * UTILISATION) / 86_400


def estimate(params: Model, vocab: int, tokens: float, device: torch.device) -> Training:
    """The cost of training the model of `params` on `tokens` tokens; of none, nothing is timed."""
    torch.set_num_threads(params.threads)
    config, parameters, activations = sizes(params, vocab)
    return Training(
        tokens=tokens,
        parameters=parameters,
        operations=tokens * training_operations(config),
        memory=parameters * BYTES_A_PARAMETER + activations,
        seconds=tokens / rate(params, vocab, device) if tokens else 0.0,
        precision=params.precision,
    )


def sizes(params: Model, vocab: int) -> tuple[Any, int, int]:
    """Config, number of parameters, and bytes that a micro-batch saves for its backward pass.

    Computed by a forward pass over fake tensors, which have shapes but no data.
    """
    kept: dict[int, tuple[int, Tensor]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = (
            storage.nbytes(),
            tensor,
        )  # kept alive, so that no other storage reuses its address
        return tensor

    with FakeTensorMode():
        model = new_model(params, vocab).train()
        windows = torch.zeros(params.micro_batch, params.context + 1, dtype=torch.int64)
        with (
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.autocast("cpu", torch.bfloat16, enabled=params.precision == "bf16"),
        ):
            model.loss(model.states(windows[:, :-1]), windows[:, 1:])
        for parameter in model.parameters():
            kept.pop(parameter.untyped_storage()._cdata, None)
    logits = min(TOKENS_AT_ONCE, params.micro_batch * params.context) * vocab * 4
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return model.config, parameters, sum(size for size, _ in kept.values()) + 2 * logits


def rate(params: Model, vocab: int, device: torch.device) -> float:
    """Training throughput of this machine in tokens a second, measured for `MEASURED_SECONDS`.

    Includes the optimizer's step, but not compilation. Where one window would take longer than
    `PATIENCE` it is the rate of plain matrix products instead, an upper bound.
    """
    model = new_model(params, vocab).to(device).train()
    operations = training_operations(model.config)
    product = product_rate(device, PRECISIONS[params.precision])
    window = operations * params.context / product
    if window > PATIENCE:
        return product / operations
    rows = max(1, min(params.micro_batch, int(MEASURED_SECONDS / window)))
    windows = torch.randint(vocab, (rows, params.context + 1), device=device)

    def micro_batch() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=params.precision == "bf16"):
            loss = model.loss(model.states(windows[:, :-1]), windows[:, 1:])
        loss.backward()
        loss.item()  # CPU-GPU synchronization: waits for the device

    optimizer = adamw(model, weight_decay=params.weight_decay)
    micro_batch()
    optimizer.step()
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < MEASURED_SECONDS:
        micro_batch()
        done += 1
    training = (time.perf_counter() - begin) / (done * rows * params.context)
    begin = time.perf_counter()
    optimizer.step()
    update = (time.perf_counter() - begin) / (params.batch * params.context)
    return 1 / (training + update)


def finetuning_tokens(path: Path, context: int, epochs: int) -> float:
    """Estimated tokens that a fine-tuning on the task in the table at `path` trains on.

    Those of the other splits, which it predicts, count a third: a forward pass alone.
    """
    task, examples = table.read_task(path)
    pairs = any(example.text_pair is not None for example in examples)
    orders = 2 if pairs and task.shape in ("similarity", "regression") else 1
    passes = {"train": float(epochs)}
    return orders * sum(_tokens(e, context) * passes.get(e.split, 1 / 3) for e in examples)


def tokenizing(path: Path) -> tuple[float, float]:
    """Seconds of one core to tokenize the task in the table at `path`, and bytes of its ids."""
    _, examples = table.read_task(path)
    texts = [text for e in examples for text in (e.text, e.text_pair or "", *(e.choices or ()))]
    characters = sum(map(len, texts))
    return sum(map(len, {*texts})) / TOKENIZED, characters / CHARACTERS * 2


def zero_shot_tokens(path: Path, context: int) -> float:
    """Estimated tokens for one checkpoint to answer the task in the table at `path`."""
    _, selected = select_examples(*table.read_task(path))
    return sum(_tokens(example, context) for example in selected)


def _tokens(example: table.Example, context: int) -> float:
    whole = len(example.text) + len(example.text_pair or "")
    texts = [whole + len(choice) for choice in example.choices or [""]]
    return sum(min(context, length / CHARACTERS + 3) for length in texts)


def paper_operations() -> float:
    """Operations of the paper's pretraining, counted as for every other model."""
    sizes = ("layers", "width", "heads", "context", "dropout")
    config = GPTConfig(vocab=PAPER_VOCABULARY, **{size: paper(Model)[size] for size in sizes})
    return PAPER_TOKENS * training_operations(config)
