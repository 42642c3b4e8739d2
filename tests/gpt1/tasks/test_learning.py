"""Fine-tuning learns what is in the labels, and nothing where they hold nothing."""

import dataclasses
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from gpt1.model.transformer import GPT, GPTConfig
from gpt1.params import Finetune
from gpt1.tasks import derived, load
from gpt1.tasks.finetuning import finetune
from gpt1.tasks.metrics import METRICS
from gpt1.tasks.model import TaskModel
from gpt1.tasks.predictions import Predictions, read_predictions, write_predictions
from gpt1.tasks.table import Example, Task
from gpt1.tokens.bpe import BPETokenizer

REAL = os.environ.get("GPT1_REAL_DATA")
PLACES = {"race": "RACE", "snli": "snli_1.0", "story_cloze": "storycloze"}
TASKS = ["sst2", "cola", "mrpc", "qqp", "stsb", "mnli", "snli", "qnli", "rte", "race",
         "story_cloze"]  # fmt: skip
RECIPE = Finetune(
    learning_rate=1e-3,
    epochs=1,
    batch=32,
    micro_batch=32,
    warmup=0.1,
    auxiliary=0.0,
    dropout=0.1,
    weight_decay=0.01,
    clip=1.0,
    precision="fp32",
    threads=1,
    deterministic=True,
)
SMALL = {"layers": 1, "width": 32, "heads": 2, "context": 64, "dropout": 0.0}
DEMO = {"layers": 4, "width": 128, "heads": 4, "context": 128, "dropout": 0.1}


def answered(
    task: Task,
    train: list[Example],
    dev: list[Example],
    folder: Path,
    *,
    size: dict = SMALL,
    recipe: Finetune = RECIPE,
    merges: int = 500,
) -> Predictions:
    """What a network that was never pretrained answers on `dev` after it saw `train`."""
    texts = [text for e in train for text in (e.text, e.text_pair or "", *(e.choices or ()))]
    tokenizer = BPETokenizer.train(texts, merges=merges)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = TaskModel(GPT(GPTConfig(vocab=len(tokenizer) + 3, **size)), task, tokenizer)
    finetune(model, model.encode(train), recipe, seed=1, state=folder / "state", title=task.name)
    scores = model.scores(model.encode(dev))
    made_by = {"model": "gpt", "seed": 1, "majority_answer": 0.0, "sha256": ""}
    write_predictions(folder / "p", task, dev, scores, **made_by)
    return read_predictions(folder / "p")


def shuffled(examples: list[Example]) -> list[Example]:
    targets = np.random.default_rng(0).permutation([e.target for e in examples]).tolist()
    return [dataclasses.replace(e, target=t) for e, t in zip(examples, targets, strict=True)]


def above_chance(found: Predictions) -> float:
    """In standard deviations of one who answers without looking."""
    rows = len(found.target)
    if found.task.shape != "multiple_choice":
        measure = "pearson" if found.task.shape == "regression" else "matthews"
        return METRICS[measure](found.target, found.answers) * math.sqrt(rows)
    chance = float(np.mean([1 / len(scores) for scores in found.scores]))
    score = METRICS["accuracy"](found.target, found.answers)
    return (score - chance) / math.sqrt(chance * (1 - chance) / rows)


def some(examples: list[Example], split: str, count: int) -> list[Example]:
    chosen = [e for e in examples if e.split.startswith(split) and e.target is not None]
    order = np.random.default_rng(0).permutation(len(chosen))[:count]
    return [chosen[place] for place in order]


@pytest.mark.slow
def test_shuffled_labels_bring_a_derived_task_to_chance_and_right_ones_teach_it(
    tmp_path: Path,
) -> None:
    chance = np.random.default_rng(0)
    words = {book: [f"{book}{n}" for n in range(20)] for book in ("ruth", "ezra", "joel", "amos")}
    texts = {
        book: " ".join(f"the {chance.choice(own)} and {chance.choice(own)}." for _ in range(900))
        for book, own in words.items()
    }
    thorough = {"merges": 80, "recipe": dataclasses.replace(RECIPE, epochs=6, learning_rate=3e-3)}
    for name in ("book", "same_book", "continuation", "next_sentence"):
        sizes = {"train": 400, "dev": 200, "test": 8}
        task, examples = derived.make(name, texts, sizes, words=8, seed=1)
        train, dev = some(examples, "train", 400), some(examples, "dev", 200)
        assert abs(above_chance(answered(task, shuffled(train), dev, tmp_path, **thorough))) < 3.5
        if name == "book":
            assert above_chance(answered(task, train, dev, tmp_path, **thorough)) > 7


@pytest.mark.skipif(not REAL, reason="GPT1_REAL_DATA is not set")
@pytest.mark.parametrize("name", TASKS)
def test_shuffled_labels_bring_a_real_task_to_chance(name: str, tmp_path: Path) -> None:
    loaded = load.official(name, Path(REAL or "") / "tasks" / PLACES.get(name, "glue_data"))
    train = shuffled(some(loaded.examples, "train", 640))
    dev = some(loaded.examples, "dev", 400)
    found = answered(loaded.task, train, dev, tmp_path)
    assert abs(above_chance(found)) < 3.5


@pytest.mark.skipif(not REAL, reason="GPT1_REAL_DATA is not set")
def test_some_of_sst2_is_learned_with_no_pretraining(tmp_path: Path) -> None:
    loaded = load.official("sst2", Path(REAL or "") / "tasks/glue_data")
    train, dev = some(loaded.examples, "train", 10_000), some(loaded.examples, "dev", 872)
    recipe = dataclasses.replace(RECIPE, learning_rate=3e-3)  # type: ignore[type-var]
    found = answered(loaded.task, train, dev, tmp_path, recipe=recipe, merges=2000)
    assert METRICS["accuracy"](found.target, found.answers) >= 0.7


@pytest.mark.nightly
@pytest.mark.skipif(not REAL, reason="GPT1_REAL_DATA is not set")
def test_sst2_is_learned_at_the_demos_size_with_no_pretraining(tmp_path: Path) -> None:
    loaded = load.official("sst2", Path(REAL or "") / "tasks/glue_data")
    train, dev = some(loaded.examples, "train", 40_000), some(loaded.examples, "dev", 872)
    recipe = dataclasses.replace(RECIPE, warmup=0.002)  # type: ignore[type-var]
    found = answered(loaded.task, train, dev, tmp_path, size=DEMO, recipe=recipe, merges=8000)
    assert METRICS["accuracy"](found.target, found.answers) >= 0.78
