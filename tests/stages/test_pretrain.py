"""The pretrain stage on tiny shards: what it writes, and that a stop costs nothing."""

import csv
import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from transformers import OpenAIGPTLMHeadModel

from gpt1.errors import UserError
from gpt1.model.transformer import GPT
from gpt1.params import Model, parse
from gpt1.tokens.shards import ShardWriter
from gpt1.training.stopping import RESUME_CODE
from stages import pretrain
from stages.state import fingerprint

ROOT = Path(__file__).parents[2]
VOCABULARY = {"<unk>": 0, "a": 1, "b": 2, "a</w>": 3, "b</w>": 4, "ab</w>": 5}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with shards, a vocabulary and params, and MLflow out of the way."""
    (tmp_path / "data/vocabularies/bpe").mkdir(parents=True)
    (tmp_path / "data/vocabularies/bpe/vocab.json").write_text(json.dumps(VOCABULARY))
    (tmp_path / "data/vocabularies/bpe/merges.txt").write_text("#version: 0.2\na b</w>\n")
    (tmp_path / "data/shards").mkdir()
    for split, books in (("train", 4), ("valid", 2)):
        with ShardWriter(tmp_path / "data/shards", split) as writer:
            for book in range(books):
                random = np.random.default_rng([books, book])
                writer.write(f"{split}-{book}", random.integers(1, 6, 500).tolist())
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def write_params(folder: Path, **changes: Any) -> None:
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    tiny = {"layers": 1, "width": 16, "heads": 2, "context": 16, "epochs": 3, "batch": 4}
    tiny |= {"micro_batch": 2, "warmup": 2, "threads": 1, "checkpoints": [0, 5]}
    params["models"]["gpt"] |= tiny | changes
    YAML(typ="safe").dump(params, folder / "params.yaml")


def run(folder: Path, out: str = "models/gpt") -> None:
    paths = {name: Path(value) for name, value in arguments(out).items() if name != "model"}
    pretrain.main(model="gpt", **paths)


def arguments(out: str) -> dict[str, str]:
    return {
        "model": "gpt",
        "shards": "data/shards",
        "bpe": "data/vocabularies/bpe",
        "out": out,
        "checkpoints": f"{out}-checkpoints",
        "curve": f"{out}-curve.csv",
        "metrics": f"{out}-metrics.json",
    }


def start(out: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "stages.pretrain"]
    for name, value in arguments(out).items():
        command += [f"--{name}", value]
    return subprocess.Popen(command, text=True, stderr=subprocess.PIPE)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_stage_writes_a_model_that_transformers_opens_a_curve_and_metrics(
    folder: Path,
) -> None:
    run(folder)
    tokens = torch.tensor([[1, 5, 3, 4]])
    theirs = OpenAIGPTLMHeadModel.from_pretrained(folder / "models/gpt").eval()
    ours = GPT.load(folder / "models/gpt")
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, atol=1e-5, rtol=0)
    assert sorted(files(folder / "models/gpt-checkpoints")) == [
        "0000000/config.json",
        "0000000/model.safetensors",
        "0000005/config.json",
        "0000005/model.safetensors",
        "updates.json",
    ]
    assert sorted(files(folder / "models/gpt")) == [
        "config.json",
        "merges.txt",
        "model.safetensors",
        "vocab.json",
    ]
    with (folder / "models/gpt-curve.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    metrics = json.loads((folder / "models/gpt-metrics.json").read_text())
    assert len(rows) == metrics["updates"]
    assert metrics["parameters"] == sum(p.numel() for p in theirs.parameters())
    assert metrics["valid"]["tokens"] == 2 * 499
    assert metrics["valid"]["perplexity"] == pytest.approx(math.exp(metrics["valid"]["loss"]))
    assert metrics["valid"]["perplexity_per_word"] > metrics["valid"]["perplexity"]
    assert not list((folder / ".work").rglob("*.safetensors"))


def test_no_epochs_give_an_untrained_model_and_a_curve_without_rows(folder: Path) -> None:
    write_params(folder, epochs=0, checkpoints=[])
    run(folder)
    metrics = json.loads((folder / "models/gpt-metrics.json").read_text())
    assert metrics["train"] == {}
    assert (folder / "models/gpt-curve.csv").read_text().splitlines() == [
        "update,loss,rate,gradient_norm"
    ]


def test_a_stage_that_was_told_to_stop_goes_on_to_the_same_bytes(folder: Path) -> None:
    write_params(folder, epochs=15)
    run(folder, "whole")
    stopped = start("resumed")
    while not list((folder / ".work").rglob("0000005/model.safetensors")):
        time.sleep(0.01)
        assert stopped.poll() is None
    stopped.send_signal(signal.SIGTERM)
    _, errors = stopped.communicate(timeout=60)
    assert stopped.returncode == RESUME_CODE
    assert "start again to resume" in errors
    assert not (folder / "resumed").exists()
    assert list((folder / ".work").rglob("state/*.safetensors"))
    run(folder, "resumed")
    assert files(folder / "resumed") == files(folder / "whole")
    for suffix in ("-curve.csv", "-metrics.json"):
        one, two = Path(f"resumed{suffix}"), Path(f"whole{suffix}")
        assert one.read_bytes() == two.read_bytes()


def test_other_params_or_other_data_never_resume_an_old_state(folder: Path) -> None:
    section = YAML(typ="safe").load(folder / "params.yaml")["models"]["gpt"]
    params, other = parse(Model, section, "gpt"), parse(Model, section | {"seed": 7}, "gpt")
    shards = folder / "data/shards"
    before = fingerprint(params, shards)
    assert fingerprint(params, shards) == before
    assert fingerprint(other, shards) != before
    with next(shards.iterdir()).open("ab") as opened:
        opened.write(b"!")
    assert fingerprint(params, shards) != before


def test_a_vocabulary_that_is_missing_is_named(folder: Path) -> None:
    (folder / "data/vocabularies/bpe/vocab.json").unlink()
    with pytest.raises(UserError, match=r"data/vocabularies/bpe: no vocab\.json;"):
        run(folder)
