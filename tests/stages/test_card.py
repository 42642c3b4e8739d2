"""The model card, from the files that the stages before it write."""

import json
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from huggingface_hub import ModelCard
from ruamel.yaml import YAML

from gpt1.errors import UserError
from gpt1.files import sha256
from gpt1.model.lstm import LSTM, LSTMConfig
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tokens.bpe import BPETokenizer
from stages import card, tracking

SHIPPED = YAML(typ="safe").load(Path(__file__).parents[2] / "params.yaml")
SIZES = {"layers": 1, "width": 8, "context": 16, "dropout": 0.1}
SCORES = {"loss": 3.21987, "perplexity": 25.0248, "perplexity_per_word": 40.5, "bits_per_byte": 1.2}
BLIMP = {"task": "blimp", "metric": "accuracy", "split": "test", "n": 67000, "chance": 50.0}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with params, a model of each kind, and the metrics of the stages before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracking, "run", lambda: nullcontext(Mock()))
    tokenizer = BPETokenizer.train(["the cat sat. the cat"], merges=3)
    torch.manual_seed(0)
    models = {
        "gpt": GPT(GPTConfig(vocab=len(tokenizer), heads=1, **SIZES)),
        "lstm": LSTM(LSTMConfig(vocab=len(tokenizer), **SIZES)),
    }
    models["theirs"] = models["gpt"]
    for name, model in models.items():
        model.save(tmp_path / "models" / name)
        tokenizer.save(tmp_path / "models" / name)
        trained = {"parameters": 1234567, "updates": 321, "valid": SCORES | {"tokens": 9876}}
        put(f"metrics/pretrain/{name}.json", trained)
    put("metrics/pretrain/theirs.json", {"parameters": 1234567, "updates": 0})
    counts = {step: {"books": 3, "words": 9000} for step in ("raw", "train", "valid")}
    put("metrics/clean.json", {"steps": counts, "sha256": {"train": "abc1", "valid": "def2"}})
    put("metrics/zero_shot/blimp-gpt.json", BLIMP | {"score": 61.234, "ceiling": 88.6})
    gpt = SHIPPED["models"]["gpt"]
    params = SHIPPED | {
        "models": {"gpt": gpt, "lstm": gpt | {"kind": "lstm"}},
        "imported": {"theirs": {"path": "hub/openai-gpt.yaml"}},
        "zero_shot": {"tasks": ["blimp"], "models": ["gpt"], "threads": 1},
        "cards": {name: {"licence": "cc0-1.0"} for name in models},
    }
    YAML(typ="safe").dump(params, tmp_path / "params.yaml")
    return tmp_path


def put(name, values):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(json.dumps(values))


def written(name):
    card.main(model=Path("models", name), metrics=Path("metrics"), out=Path("cards", name))
    return Path("cards", name, "README.md").read_text()


def test_the_card_has_the_hubs_header_with_the_scores(project):
    data = ModelCard(written("gpt")).data
    assert (data.license, data.library_name, data.language) == ("cc0-1.0", "transformers", "en")
    assert data.pipeline_tag == "text-generation"
    found = {(r.dataset_type, r.metric_type): r.metric_value for r in data.eval_results}
    assert found == {
        ("blimp", "accuracy"): 61.23,
        ("books", "perplexity"): 25.02,
        ("books", "perplexity_per_word"): 40.5,
    }


def test_the_card_tells_recipe_data_scores_and_the_hash_of_every_file(project):
    text = written("gpt")
    for cells in (
        "learning_rate | 0.001",
        "train | 3 | 9,000 | abc1",
        "Cross-entropy, nats a token, held-out books | 3.220 | 9,876 tokens",
        "blimp without fine-tuning, accuracy in per cent | 61.2 | 67,000 examples of test | 50.0",
        *(f"{file.name} | {sha256(file)}" for file in Path("models/gpt").iterdir()),
    ):
        assert f"| {cells} |" in text
    assert "1,234,567 parameters (layers 1, width 8, heads 1, context 16)" in text
    assert "trust_remote_code=True" in text


def test_two_folders_give_the_same_bytes(project, tmp_path_factory, monkeypatch):
    first = written("gpt")
    project.rename(elsewhere := tmp_path_factory.mktemp("elsewhere") / "project")
    monkeypatch.chdir(elsewhere)
    assert written("gpt") == first


def test_blimp_is_there_only_when_it_was_asked(project):
    assert "blimp" not in written("lstm")


def test_an_lstm_is_not_said_to_open_in_transformers(project):
    text = written("lstm")
    assert ModelCard(text).data.library_name == "gpt1"
    assert "AutoModel" not in text
    assert "An LSTM" in text
    assert "parameters (layers 1, width 8, context 16)" in text


def test_an_imported_model_has_no_recipe_and_no_books(project):
    text = written("theirs")
    assert "imported" in text
    assert "## Recipe" not in text
    assert "## Data" not in text
    assert "transformers" in text


def test_the_python_of_the_card_loads_the_model(project, monkeypatch):
    text = written("gpt")
    monkeypatch.chdir(project / "models/gpt")
    lines = text[text.index("    from gpt1.model") :].split("\n\nWith")[0].splitlines()
    names = {}
    exec("\n".join(line.strip() for line in lines), names)
    assert names["model"].config.width == 8
    assert names["tokenizer"].encode("the cat")


def test_a_missing_score_is_named_in_a_line(project):
    Path("metrics/zero_shot/blimp-gpt.json").unlink()
    with pytest.raises(UserError, match=r"blimp-gpt\.json"):
        written("gpt")
    assert not Path("cards/gpt").exists()
