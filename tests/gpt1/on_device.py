"""Train, resume, fine-tune, score and generate on a device; print what came out as JSON.

python on_device.py (cpu | private) FOLDER
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

if "private" in sys.argv:
    import private_device

import numpy as np
import torch
from torch import Tensor

from gpt1.analysis.zero_shot.scoring import Question, log_probabilities
from gpt1.device import device
from gpt1.model.language_model import LanguageModel
from gpt1.model.perplexity import measure_perplexity
from gpt1.model.sampling import generate
from gpt1.params import Finetune, Model
from gpt1.tasks.finetuning import finetune
from gpt1.tasks.model import TaskModel
from gpt1.tasks.table import Example, Shape, Task
from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.shards import Document
from gpt1.training.callback import Callback, Row
from gpt1.training.loop import Optimization, fit
from gpt1.training.pretraining import Batches, Pretraining, new_model

OPTIMIZATION = Optimization(
    learning_rate=lambda update: 1e-2, weight_decay=0.01, clip=1.0, precision="fp32", seed=1
)
VOCABULARY, UPDATES = 50, 6
TEXTS = ["the dog ran home.", "the cat sat still on the mat.", "a dog and a cat."]
RECIPE = Finetune(
    learning_rate=1e-2,
    epochs=6,
    batch=3,
    micro_batch=2,
    warmup=0.0,
    auxiliary=0.5,
    dropout=0.0,
    weight_decay=0.01,
    clip=1.0,
    precision="fp32",
    threads=1,
    deterministic=False,
)


def sizes(kind: str, layers: int = 2, dropout: float = 0.0) -> Model:
    return Model(
        kind=kind,  # type: ignore[arg-type]
        shards="shards",
        books=1.0,
        seed=1,
        layers=layers,
        width=16,
        heads=2,
        context=12,
        dropout=dropout,
        epochs=1,
        batch=8,
        micro_batch=4,
        learning_rate=1e-2,
        warmup=0,
        weight_decay=0.01,
        clip=1.0,
        precision="fp32",
        threads=1,
        deterministic=False,
        compile=False,
        validate_every=0,
        checkpoints=[],
    )


class RandomBatches(Batches):
    """Windows of random tokens, from no shards."""

    updates = UPDATES

    def __init__(self, rows: int, stop_at: int | None) -> None:
        self.rows, self.stop_at = rows, stop_at

    def at(self, update: int) -> list[Tensor]:
        if update == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        drawn = torch.Generator().manual_seed(update % 3)
        return list(torch.randint(VOCABULARY, (8, 13), generator=drawn).split(self.rows))


class Counted(Callback):
    """What each update asked of the device."""

    def __init__(self) -> None:
        self.launches: list[int] = []
        self.waits: list[dict[str, int]] = []

    def on_update(self, updates: int, row: Row) -> None:
        if "private" in sys.argv:
            self.launches.append(private_device.launches.total())
            self.waits.append(dict(private_device.waits))
            private_device.launches.clear()
            private_device.waits.clear()


def pretrained(
    params: Model, folder: Path, *, rows: int = 4, stop: bool = False
) -> dict[str, object]:
    """rows: in a micro-batch."""
    model = new_model(params, VOCABULARY).to(device())
    counted = Counted()

    def run(stop_at: int | None = None) -> list[float]:
        objective = Pretraining(model, RandomBatches(rows, stop_at), params)
        saving = {"save_seconds": 0.0} if stop else {}
        curve = fit(objective, OPTIMIZATION, state=folder, title="t", callbacks=[counted], **saving)
        return [*curve["loss"], *curve["gradient_norm"]]

    if stop:
        with suppress(SystemExit):
            run(stop_at=3)
        model = new_model(params, VOCABULARY).to(device())
    curve = run()
    weights = [each.detach().cpu() for each in model.parameters()]
    return {
        "curve": curve,
        "weights": [each.double().sum().item() for each in weights],
        "launches": counted.launches,
        "waits": counted.waits,
        "uses": uses(model),
    }


def uses(model: LanguageModel) -> dict[str, object]:
    """Held-out loss, zero-shot scores and generated tokens of a model."""
    chance = np.random.default_rng(0)
    documents = [Document("x", chance.integers(VOCABULARY, size=n), n) for n in (30, 5)]
    ends = np.ones(VOCABULARY, bool)
    questions = [Question([1, 2, 3], [[4, 5], [6]]), Question([7], [[8, 9, 10]])]
    tokens = torch.tensor([[1, 2, 3]], device=device())
    scores = log_probabilities(model, questions)
    return {
        "loss": measure_perplexity(model, documents, ends_word=ends, batch=2).loss,
        "scores": [each.tolist() for question in scores for each in question],
        "greedy": [int(token) for token in generate(model, tokens, 16)],
    }


def examples(shape: Shape) -> list[Example]:
    pairs = [(TEXTS[n], TEXTS[n - 1]) for n in range(3)]
    if shape == "classification":
        return [Example("train", str(n), text, target=n) for n, text in enumerate(TEXTS)]
    if shape == "multiple_choice":
        sets = [(TEXTS[0], TEXTS[1]), (TEXTS[2], TEXTS[0], TEXTS[1]), (TEXTS[1], TEXTS[0])]
        return [Example("train", str(n), TEXTS[n], None, each, 1) for n, each in enumerate(sets)]
    return [Example("train", str(n), *pair, target=n) for n, pair in enumerate(pairs)]


def fine_tuned(shape: Shape, folder: Path) -> dict[str, object]:
    tokenizer = BPETokenizer.train(TEXTS, merges=8)
    labels = () if shape in ("regression", "multiple_choice") else ("no", "yes", "maybe")
    task = Task("t", shape, ("accuracy",), labels)
    torch.manual_seed(1)
    network = new_model(sizes("transformer"), len(tokenizer))
    model = TaskModel.from_pretrained(network, task, tokenizer, 0.0).to(device())
    inputs, counted = model.encode(examples(shape)), Counted()
    curve = finetune(model, inputs, RECIPE, seed=1, state=folder, title="t", callbacks=[counted])
    return {
        "curve": [*curve["loss"], *curve["language_model_loss"]],
        "scores": [row.tolist() for row in model.scores(inputs)],
        "launches": counted.launches,
        "waits": counted.waits,
    }


def main(place: str, folder: Path) -> None:
    os.environ["GPT1_DEVICE"] = place
    torch.set_num_threads(1)
    found: dict[str, object] = {}
    jobs: dict[str, Callable[[Path], object]] = {
        kind: lambda folder, kind=kind: pretrained(sizes(kind), folder)  # type: ignore[misc]
        for kind in ("transformer", "gpt2")
    }
    for layers in (2, 3):
        params = sizes("transformer", layers, 0.1)
        jobs[f"in one piece, {layers} layers"] = lambda folder, params=params: pretrained(  # type: ignore[misc]
            params, folder, rows=8
        )
    jobs["dropout"] = lambda folder: pretrained(sizes("transformer", 2, 0.1), folder)
    jobs["resumed"] = lambda folder: pretrained(sizes("transformer", 2, 0.1), folder, stop=True)
    shapes: list[Shape] = ["classification", "entailment", "similarity", "regression"]
    for shape in (*shapes, "multiple_choice"):
        jobs[shape] = lambda folder, shape=shape: fine_tuned(shape, folder)  # type: ignore[misc]
    for name, job in jobs.items():
        found[name] = job(folder / name)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
