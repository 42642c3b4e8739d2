"""Transfer, zero-shot and no auxiliary loss, each stage as DVC calls it."""

import contextlib
import json
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML

from gpt1.errors import UserError
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tasks import predictions, table
from gpt1.tasks.table import Example, Task
from gpt1.tasks.tokenized import tokenize_task
from gpt1.tokens.bpe import BPETokenizer
from stages import (
    cell,
    finetune,
    finetune_no_auxiliary,
    finetune_transfer,
    import_model,
    samples,
    tracking,
    zero_shot,
)
from stages.checkpoints import save_checkpoints

SHIPPED = YAML(typ="safe").load(Path(__file__).parents[2] / "params.yaml")
UPDATES = 30


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A task, and a small model with two checkpoints on the way."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracking, "run", lambda: contextlib.nullcontext(Mock()))
    recipe = SHIPPED["finetune"]["next_sentence"] | {"epochs": 1, "micro_batch": 8, "batch": 8}
    params = {"models": {"gpt": SHIPPED["models"]["gpt"]}, "finetune": {"ends": recipe}}
    torch.set_num_threads(1)  # small networks only lose by more
    YAML().dump(
        params
        | {"zero_shot": SHIPPED["zero_shot"] | {"threads": 1}, "samples": SHIPPED["samples"]},
        tmp_path / "params.yaml",
    )
    words = ["the", "old", "king", "went", "home", ".", "and", "then", "slept", "well"]
    random = np.random.default_rng(0)

    def text(count):
        return " ".join(random.choice(words, count))

    examples = [
        Example(split, str(i), text(6), None, (text(3), text(4)), float(i % 2))
        for split in ("train", "dev", "test")
        for i in range(24)
    ]
    table.write_task(Task("ends", "multiple_choice", ("accuracy",)), examples, Path("ends.parquet"))
    tokenizer = BPETokenizer.train([" ".join(words)] * 3, merges=5)
    config = GPTConfig(vocab=len(tokenizer), layers=3, width=16, heads=2, context=32, dropout=0.1)
    for seed, folder in enumerate(["saved/0000000", "saved/0000010", "models/gpt"]):
        torch.manual_seed(seed)
        GPT(config).save(Path(folder))
    save_checkpoints(Path("checkpoints/gpt"), Path("saved"), [0, 10])
    tokenizer.save(Path("models/gpt"))
    tokenize_task(Path("ends.parquet"), Path("models/gpt"), Path("tokens.parquet"))
    Path("pretrained.json").write_text(json.dumps({"updates": UPDATES}))
    return tmp_path


def tune(stage, name, seed=1, **arguments):
    stage.main(
        task=Path("ends.parquet"),
        tokens=Path("tokens.parquet"),
        model=Path("models/gpt"),
        seed=seed,
        predictions=Path(f"{name}.parquet"),
        curve=Path(f"{name}.csv"),
        **arguments,
    )
    return predictions.read_predictions(Path(f"{name}.parquet"))


def test_no_auxiliary_is_the_same_recipe_with_weight_0(project):
    without = tune(finetune_no_auxiliary, "without")
    values = YAML(typ="safe").load(Path("params.yaml"))
    values["finetune"]["ends"]["auxiliary"] = 0.0
    YAML().dump(values, Path("params.yaml"))
    Path("kept.json").write_text("false")
    declared = tune(finetune, "declared", kept=Path("kept.json"), out=Path("finetuned"))
    np.testing.assert_array_equal(without.scores, declared.scores)
    assert (without.model, declared.model) == ("no_auxiliary", "gpt")


@pytest.fixture
def untrained(project, monkeypatch):
    """A function that returns the weights with which a fine-tuning begins."""
    begun = []
    original = cell.finetune

    def spied(tuned, *args, **options):
        begun.append({name: t.clone() for name, t in tuned.network.state_dict().items()})
        return original(tuned, *args, **options)

    monkeypatch.setattr(cell, "finetune", spied)

    def untrained(layers, seed=1):
        found = tune(finetune_transfer, f"transfer_{layers}_{seed}", layers=layers, seed=seed)
        assert found.model == f"transfer_{layers}"
        return begun.pop()

    values = YAML(typ="safe").load(Path("params.yaml"))
    values["finetune"]["ends"]["epochs"] = 0
    YAML().dump(values, Path("params.yaml"))
    return untrained


@pytest.mark.parametrize("layers", [0, 2, 3])
def test_transfer_keeps_the_embeddings_and_the_first_layers_alone(untrained, layers):
    kept = GPT.load(Path("models/gpt")).state_dict()
    found, other = untrained(layers), untrained(layers, seed=2)
    assert kept.keys() == found.keys()
    for name, tensor in kept.items():
        is_matrix = tensor.ndim == 2
        if not name.startswith("blocks.") or int(name.split(".")[1]) < layers:
            assert torch.equal(found[name][: len(tensor)], tensor)
        elif is_matrix:
            assert not torch.equal(found[name], tensor)
            assert not torch.equal(found[name], other[name]), "each seed draws its own"
            assert found[name].std() == pytest.approx(0.02, rel=0.2)


def test_more_layers_than_there_are_is_one_clear_line(untrained):
    with pytest.raises(UserError, match=r"transfer\.layers = 4, but the model has 3"):
        untrained(4)
    assert not Path("transfer_4_1.parquet").exists()


def test_an_imported_model_is_asked_zero_shot_at_a_single_point(project):
    sections = YAML(typ="safe").load(Path("params.yaml"))
    YAML().dump(sections | {"imported": {"theirs": {"path": "models/gpt"}}}, Path("params.yaml"))
    out, metrics = Path("models/theirs"), Path("theirs.json")
    checkpoints = Path("checkpoints/theirs")
    import_model.main(
        model="theirs",
        source=Path("models/gpt"),
        out=out,
        vocabulary=Path("data/vocabularies/theirs"),
        checkpoints=checkpoints,
        metrics=metrics,
    )
    same = [
        (folder / "vocab.json").read_bytes() for folder in (out, Path("data/vocabularies/theirs"))
    ]
    assert same[0] == same[1]
    paths = {"task": Path("ends.parquet"), "curve": Path("c.csv"), "metrics": Path("m.json")}
    zero_shot.main(model=out, checkpoints=checkpoints, pretraining=metrics, **paths)
    assert list(pd.read_csv("c.csv")["update"]) == [0]


def test_the_zero_shot_curve_has_every_checkpoint_and_the_model_itself(project):
    zero_shot.main(
        task=Path("ends.parquet"),
        model=Path("models/gpt"),
        checkpoints=Path("checkpoints/gpt"),
        pretraining=Path("pretrained.json"),
        curve=Path("curve.csv"),
        metrics=Path("metrics.json"),
    )
    curve = pd.read_csv("curve.csv")
    about = json.loads(Path("metrics.json").read_text())
    assert list(curve["update"]) == [0, 10, UPDATES]
    assert (about["split"], about["n"], about["chance"]) == ("test", 24, 50.0)
    assert about["score"] == pytest.approx(curve["score"].iloc[-1])
    assert about["normalised"] == pytest.approx((about["score"] - 50) / 50)


def test_every_checkpoint_writes_and_writes_the_same_again(project):
    for name in ("one.json", "two.json"):
        samples.main(
            model=Path("models/gpt"),
            checkpoints=Path("checkpoints/gpt"),
            pretraining=Path("pretrained.json"),
            out=Path(name),
        )
    found = json.loads(Path("one.json").read_text())
    assert [sample["update"] for sample in found["samples"]] == [0, 10, UPDATES]
    assert all(sample["text"] for sample in found["samples"])
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()
