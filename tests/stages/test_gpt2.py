"""GPT-2 by its name: one that others trained, with its vocabulary, and one that is trained here."""

import contextlib
import json
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML
from transformers import GPT2Config, GPT2LMHeadModel, GPT2TokenizerFast
from typer.testing import CliRunner

import gpt1
from gpt1.errors import UserError
from gpt1.files import read_yaml
from gpt1.hub import check_pinned
from gpt1.model.gpt2 import GPT2
from gpt1.model.lstm import LSTM, LSTMConfig
from gpt1.tasks import predictions, table
from gpt1.tasks.table import Example, Task
from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.shards import ShardWriter
from pipelines.cli import app
from pipelines.extension import cost
from stages import (
    finetune,
    finetune_transfer,
    import_model,
    pretrain,
    samples,
    tokens,
    tracking,
    zero_shot,
)
from tests.gpt1.tokens.test_byte_level import train as train_vocabulary

ROOT = Path(__file__).parents[2]
SHIPPED = YAML(typ="safe").load(ROOT / "params.yaml")
THEIRS = Path("theirs")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A task, and the directory of a GPT-2 with a byte-level vocabulary."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracking, "run", lambda: contextlib.nullcontext(Mock()))
    recipe = SHIPPED["finetune"]["next_sentence"] | {"epochs": 1, "micro_batch": 8, "batch": 8}
    values = SHIPPED | {
        "imported": {"theirs": {"path": str(THEIRS)}},
        "compare": SHIPPED["compare"] | {"models": ["theirs", "gpt"]},
        "finetune": {"ends": recipe},
        "zero_shot": SHIPPED["zero_shot"] | {"threads": 1},
        "samples": SHIPPED["samples"] | {"tokens": 8},
    }
    values["models"]["gpt"] |= {"kind": "gpt2", "threads": 1, "epochs": 1, "context": 16}
    YAML().dump(values, Path("params.yaml"))
    tokenizer = train_vocabulary(THEIRS)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=330, n_positions=64, n_embd=32, n_layer=2, n_head=4)
    GPT2LMHeadModel(config).save_pretrained(THEIRS)
    assert len(tokenizer) == 330
    examples = [
        Example(split, f"{split}{i}", "The old man sat by the sea.", "Why?", ("calm", "so"), i % 2)
        for split in ("train", "dev", "test")
        for i in range(8)
    ]
    table.write_task(Task("ends", "multiple_choice", ("accuracy",)), examples, Path("ends.parquet"))
    return tmp_path


def import_theirs():
    import_model.main(
        model="theirs",
        source=THEIRS,
        out=Path("models/theirs"),
        vocabulary=Path("data/vocabularies/theirs"),
        checkpoints=Path("checkpoints/theirs"),
        metrics=Path("theirs.json"),
    )


def pretrain_ours():
    vocabulary = Path("data/vocabularies/bpe")
    vocabulary.mkdir(parents=True)
    tokenizer = BPETokenizer.train(["the old man sat by the sea . why ? calm so"] * 3, merges=5)
    tokenizer.save(vocabulary)
    Path("data/shards").mkdir()
    for split in ("train", "valid"):
        with ShardWriter(Path("data/shards"), split) as writer:
            ids = np.random.default_rng(0).integers(len(tokenizer), size=600)
            writer.write(split, ids.tolist(), 2000, 400)
    pretrain.main(
        model="gpt",
        shards=Path("data/shards"),
        bpe=vocabulary,
        out=Path("models/gpt"),
        checkpoints=Path("checkpoints/gpt"),
        curve=Path("gpt.csv"),
        metrics=Path("gpt.json"),
    )


def tune(stage, model, **arguments):
    stage.main(
        task=Path("ends.parquet"),
        tokens=Path(f"ids/{model}.parquet"),
        model=Path(f"models/{model}"),
        seed=1,
        predictions=Path("p.parquet"),
        curve=Path("c.csv"),
        **arguments,
    )
    return predictions.read_predictions(Path("p.parquet"))


def make_ids():
    tokens.main(Path("ends.parquet"), Path("data/vocabularies"), Path("ids"))


def test_an_imported_one_is_fine_tuned_asked_and_generated_from_in_its_own_ids(project):
    import_theirs()
    pretrain_ours()
    make_ids()
    theirs = GPT2TokenizerFast.from_pretrained(THEIRS)
    ids = pd.read_parquet("ids/theirs.parquet").iloc[0]
    assert ids["text"].tolist() == theirs("The old man sat by the sea.")["input_ids"]
    assert pd.read_parquet("ids/gpt.parquet").iloc[0]["text"].tolist() != ids["text"].tolist()
    Path("kept.json").write_text("true")
    tuned = tune(finetune, "theirs", kept=Path("kept.json"), out=Path("finetuned"))
    loaded = gpt1.TaskModel.load(Path("finetuned"))
    assert isinstance(loaded.network, GPT2)
    assert loaded.network.config.vocab == 333
    asked = {"text": "The old man sat by the sea.", "text_pair": "Why?", "choices": ["calm", "so"]}
    [answer] = loaded.predict([asked])
    assert [*answer["probabilities"].values()] == pytest.approx(tuned.scores[0].tolist(), abs=1e-5)

    paths = {"model": Path("models/theirs"), "checkpoints": Path("checkpoints/theirs")}
    paths |= {"pretraining": Path("theirs.json")}
    zero_shot.main(task=Path("ends.parquet"), curve=Path("z.csv"), metrics=Path("z.json"), **paths)
    assert list(pd.read_csv("z.csv")["update"]) == [0]
    samples.main(out=Path("s.json"), **paths)
    [sample] = json.loads(Path("s.json").read_text())["samples"]

    prompt = "The old"
    shown = CliRunner().invoke(app, ["generate", "models/theirs", prompt, "--tokens", "8"])
    network = GPT2LMHeadModel.from_pretrained("models/theirs")
    seen = torch.tensor([theirs(prompt)["input_ids"]])
    greedy = network.generate(seen, max_new_tokens=8, do_sample=False, pad_token_id=0)
    assert shown.stdout == theirs.decode(greedy[0]) + "\n"
    assert sample["text"]


def test_a_context_is_followed_by_a_space_where_no_prefix_is_there_for_words(project):
    """The choices are asked as they would stand in the text: `sea. Why? calm`."""
    import_theirs()
    theirs = GPT2TokenizerFast.from_pretrained(THEIRS)
    probe = zero_shot.ZeroShotTask(
        *table.read_task(Path("ends.parquet")), zero_shot.load_tokenizer(Path("models/theirs"))
    )
    [question] = probe.questions[0]
    whole = [*question.prefix, *question.continuations[0]]
    assert theirs.decode(whole) == "The old man sat by the sea. Why? calm"


def test_a_question_is_read_as_it_stands_after_its_context_when_fine_tuned_too(project):
    import_theirs()
    theirs = GPT2TokenizerFast.from_pretrained(THEIRS)
    model = gpt1.TaskModel.from_pretrained(
        gpt1.load("models/theirs"),
        table.read_task(Path("ends.parquet"))[0],
        gpt1.load_tokenizer("models/theirs"),
        dropout=0.1,
    )
    context, question = "The old man sat by the sea.", "Why did he?"
    both = theirs(f"{context} {question}")["input_ids"]
    for text, pair, expected in [
        (context, question, both),
        (context, None, theirs(context)["input_ids"]),
        ("", question, theirs(question)["input_ids"]),
    ]:
        encoded = model.encode([Example("dev", "0", text, pair, ("calm", "so"))])
        start, *read = encoded.sequences[0][0].tolist()
        assert (start, read[: len(expected) + 1]) == (330, [*expected, 331])
    pretrain_ours()
    make_ids()
    row = pd.read_parquet("ids/theirs.parquet").iloc[0]
    whole = [*row["text"], *row["text_pair"]]
    assert whole == theirs("The old man sat by the sea. Why?")["input_ids"]


def test_one_that_is_trained_here_has_the_books_vocabulary_and_every_stage(project):
    pretrain_ours()
    import_theirs()
    model = gpt1.load("models/gpt")
    assert isinstance(model, GPT2)
    theirs = GPT2LMHeadModel.from_pretrained("models/gpt").eval()
    ids = torch.arange(12)[None]
    torch.testing.assert_close(model(ids), theirs(ids).logits, atol=1e-5, rtol=0)
    summary = json.loads(Path("gpt.json").read_text())
    assert summary["valid"]["bits_per_byte"] > 0
    make_ids()
    Path("kept.json").write_text("false")
    whole = tune(finetune_transfer, "gpt", layers=4)
    first = tune(finetune_transfer, "gpt", layers=1)
    assert (whole.model, first.model) == ("transfer_4", "transfer_1")
    assert not np.array_equal(whole.scores, first.scores)


def test_layers_of_an_lstm_are_not_transferred(project):
    pretrain_ours()
    import_theirs()
    make_ids()
    vocab = gpt1.load("models/gpt").config.vocab
    LSTM(LSTMConfig(vocab=vocab, layers=1, width=8, context=16, dropout=0.1)).save("models/gpt")
    with pytest.raises(UserError, match="transfer needs a Transformer as the model gpt"):
        tune(finetune_transfer, "gpt", layers=1)


def test_the_released_weights_are_named_by_a_pinned_address():
    source = read_yaml(ROOT / "hub/gpt2.yaml")
    check_pinned(f"{source['at']}/", "hub/gpt2.yaml")
    assert source["files"] == read_yaml(ROOT / "hub/openai-gpt.yaml")["files"]


def test_the_cost_of_an_imported_one_is_that_of_its_network(project):
    import_theirs()
    found = cost.imported("theirs")
    assert (found.kind, found.layers, found.width, found.context) == ("gpt2", 2, 32, 64)
