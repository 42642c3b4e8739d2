"""The pretrain stage on tiny shards: what it writes, and that a stop costs nothing."""

import csv
import json
import math
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML
from transformers import OpenAIGPTLMHeadModel

from gpt1.errors import UserError
from gpt1.machine import processor
from gpt1.model.transformer import GPT
from gpt1.params import Model, parse
from gpt1.tokens.shards import ShardWriter
from gpt1.training.callback import Callback, Row
from gpt1.training.stopping import RESUME_CODE
from stages import continuing, pretrain
from stages.state import fingerprint
from stages.state import folder as folder_of

ROOT = Path(__file__).parents[2]
STOPPED = 8
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
                writer.write(f"{split}-{book}", random.integers(1, 6, 500).tolist(), 2000, 400)
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """The stage handles them for the rest of its process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def write_params(folder: Path, **changes: Any) -> None:
    shipped = YAML(typ="safe").load(ROOT / "params.yaml")
    tiny = {"layers": 1, "width": 16, "heads": 2, "context": 16, "epochs": 3, "batch": 4}
    tiny |= {"micro_batch": 2, "warmup": 2, "threads": 1, "checkpoints": [0, 5]}
    tiny |= {"validate_every": 1}
    shipped["models"]["gpt"] |= tiny | changes
    YAML(typ="safe").dump(shipped, folder / "params.yaml")


def params(folder: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(folder / "params.yaml")["models"]["gpt"])


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


def test_checkpoints_are_made_after_millions_of_words(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An update reads 4 windows of 16 tokens, and a book of 500 tokens has 25 million words."""
    with ShardWriter(folder / "data/shards", "train") as writer:
        for book in range(4):
            writer.write(f"book-{book}", [1, 2, 3, 4, 5] * 100, 2000, 25_000_000)
    write_params(folder, checkpoints=["16M words", 5, "32M words", "900M words"])
    run(folder)
    updates = json.loads((folder / "models/gpt-checkpoints/updates.json").read_text())
    assert updates == [5, 10], "3.2 million words an update; three epochs are 300 million at most"
    assert re.search(r"training ends after \d\d updates, before 281\n", capsys.readouterr().err)


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
        "special_tokens_map.json",
        "tokenization_gpt1.py",
        "tokenizer_config.json",
        "vocab.json",
    ]
    with (folder / "models/gpt-curve.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    metrics = json.loads((folder / "models/gpt-metrics.json").read_text())
    assert len(rows) == metrics["updates"]
    assert metrics["parameters"] == sum(p.numel() for p in theirs.parameters())
    assert metrics["valid"]["tokens"] == 2 * 499
    assert metrics["valid"]["perplexity"] == pytest.approx(math.exp(metrics["valid"]["loss"]))
    assert metrics["valid"]["bytes"] == 2 * 2000
    bits = metrics["valid"]["loss"] * 2 * 499 / math.log(2)
    assert metrics["valid"]["bits_per_byte"] == pytest.approx(bits / (2 * 2000))
    watched = [row["valid_loss"] for row in rows if row["valid_loss"]]
    assert float(watched[-1]) == metrics["valid"]["loss"], "all held-out text is in the sample"
    assert metrics["valid"]["perplexity_per_word"] > metrics["valid"]["perplexity"]
    assert not list((folder / ".work").rglob("*.safetensors"))


def test_what_it_was_computed_on_is_in_no_output(folder: Path) -> None:
    run(folder)
    outputs = b"".join(files(folder / "models").values())
    for value in (processor(), torch.__version__, platform.node()):
        assert value.encode() not in outputs


@pytest.mark.parametrize("wanted", [True, False])
def test_kernels_are_chosen_before_the_device_starts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    write_params(folder, deterministic=wanted)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.setenv("GPT1_DEVICE", "none such")
    with pytest.raises(UserError, match="GPT1_DEVICE"):
        run(folder)
    assert torch.are_deterministic_algorithms_enabled() == wanted
    assert bool(os.environ["CUBLAS_WORKSPACE_CONFIG"]) == wanted


def test_no_epochs_give_an_untrained_model_and_a_curve_without_rows(folder: Path) -> None:
    write_params(folder, epochs=0, checkpoints=[])
    run(folder)
    metrics = json.loads((folder / "models/gpt-metrics.json").read_text())
    assert metrics["train"] == {}
    assert (folder / "models/gpt-curve.csv").read_text().splitlines() == [
        "update,loss,rate,gradient_norm,valid_loss"
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


class StopAt(Callback):
    """In the place of the recorder: tells the process to stop after an update."""

    def __init__(self, update: int) -> None:
        self._update = update

    def on_update(self, updates: int, row: Row) -> None:
        if updates == self._update:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project after a stop before update 8, with the checkpoints 0 and 5."""
    write_params(folder, epochs=1)
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(pretrain, "Recorder", lambda *_, **__: StopAt(STOPPED))
        run(folder)
    assert ended.value.code == RESUME_CODE
    return folder


def test_sigterm_while_held_out_text_is_scored_asks_to_be_started_again(
    stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a second one while the process ends; and the state is still there."""
    write_params(stopped, epochs=1, validate_every=0)

    def score(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(pretrain, "measure_perplexity", score)
        run(stopped)
    assert ended.value.code == RESUME_CODE
    assert not (stopped / "models").exists()
    run(stopped)
    run(stopped, "whole")
    assert files(stopped / "models/gpt") == files(stopped / "whole")


def test_other_checkpoints_continue_to_the_bytes_of_a_run_that_had_them_from_the_start(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """But where one is passed, the result is not what the params make, and is marked."""
    write_params(stopped, epochs=1, checkpoints=[0, 3, 10])
    monkeypatch.setenv("GPT1_CONTINUED", str(stopped / "continued"))
    run(stopped)
    (stopped / "continued").unlink()
    assert "checkpoints: training is past 3 and makes only those ahead" in capfd.readouterr().err
    run(stopped, "whole")
    whole, found = files(stopped / "whole-checkpoints"), files(stopped / "models/gpt-checkpoints")
    assert json.loads(found.pop("updates.json")) == [0, 10]
    assert json.loads(whole.pop("updates.json")) == [0, 3, 10]
    assert found == {name: content for name, content in whole.items() if "0000003" not in name}
    assert files(stopped / "models/gpt") == files(stopped / "whole")
    metrics = json.loads((stopped / "models/gpt-metrics.json").read_text())
    assert metrics.pop("changes") == {"3": {"no_checkpoint": [False, True]}}
    assert metrics == json.loads((stopped / "whole-metrics.json").read_text())


def test_other_checkpoints_of_which_none_is_passed_leave_no_mark(
    stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params(stopped, epochs=1, checkpoints=[0, 10])
    monkeypatch.setenv("GPT1_CONTINUED", str(stopped / "continued"))
    run(stopped)
    run(stopped, "whole")
    assert files(stopped / "models/gpt-checkpoints") == files(stopped / "whole-checkpoints")
    assert Path("models/gpt-metrics.json").read_bytes() == Path("whole-metrics.json").read_bytes()
    assert not (stopped / "continued").exists()


def test_another_interval_of_held_out_losses_is_recorded_unasked(tmp_path: Path) -> None:
    def now(done: int, every: int) -> continuing.Changes:
        return continuing.changes(tmp_path, done, {"validate_every": every, "threads": 1})

    assert now(0, 100) == {}
    assert now(500, 50) == {"500": {"validate_every": [100, 50]}}
    assert now(700, 50) == {"500": {"validate_every": [100, 50]}}


def test_a_change_since_a_state_that_was_lost_counts_from_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def now(done: int, threads: int) -> continuing.Changes:
        return continuing.changes(tmp_path, done, {"threads": threads})

    assert now(0, 1) == {}
    with monkeypatch.context() as patch:
        patch.setenv("GPT1_RESUME", "changed")
        assert now(9, 2) == {"9": {"threads": [1, 2]}}
    assert now(7, 2) == {"7": {"threads": [1, 2]}}


def test_an_update_left_out_has_its_number_in_the_curve(tmp_path: Path) -> None:
    curve = pd.DataFrame({"update": [1, 2, 3], "loss": [3.0, math.nan, 2.0]})
    changes: continuing.Changes = {"1": {"threads": [1, 2]}}
    assert continuing.concluded(changes, curve, [], tmp_path) == {
        "changes": {"1": {"threads": [1, 2]}, "2": {"left_out": [False, True]}}
    }


def test_conditions_that_cannot_be_written_are_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/conditions\.json: cannot be written .* free space"):
        continuing.changes(tmp_path / "file", 0, {"threads": 1})


def test_a_stage_that_is_killed_while_its_state_goes_finds_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def killed(path: Path, **_: object) -> None:
        (path / "first").unlink()
        raise InterruptedError

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(shutil, "rmtree", killed)
        with folder_of("s", {}) as work:
            (work / "first").touch()
            (work / "second").touch()
    with folder_of("s", {}) as work:
        assert [*work.parent.iterdir()] == [work]
        assert not [*work.iterdir()]
    assert not capfd.readouterr().err


OTHER = {"epochs": 2, "learning_rate": 1e-4, "micro_batch": 4, "threads": 2, "precision": "bf16"}
OTHER |= {"deterministic": False}


def test_other_conditions_are_refused_by_name_until_people_continue_knowingly(
    stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the metrics say what changed at which update, and the driver is told."""
    before = parse(Model, params(stopped), "gpt")
    mark = stopped / "continued"
    monkeypatch.setenv("GPT1_CONTINUED", str(mark))
    for name, value in OTHER.items():
        write_params(stopped, **{"epochs": 1, name: value})
        told = rf"pretrain@gpt: {name}: .* -> {value} changed since the state of 8 updates .*; put"
        with pytest.raises(UserError, match=told):
            run(stopped)
    assert not (stopped / "models").exists()
    assert len(list((stopped / ".work/pretrain@gpt").iterdir())) == 1
    write_params(stopped, **OTHER)
    monkeypatch.setenv("GPT1_RESUME", "changed")
    run(stopped)
    metrics = json.loads((stopped / "models/gpt-metrics.json").read_text())
    expected = {name: [getattr(before, name), value] for name, value in OTHER.items()}
    assert metrics["changes"] == {"8": expected}
    rows = list(csv.DictReader((stopped / "models/gpt-curve.csv").open()))
    assert len(rows) == metrics["updates"]
    assert float(rows[8]["rate"]) < 0.2 * float(rows[7]["rate"])
    assert mark.exists()


def test_without_a_change_the_word_to_continue_changes_nothing(
    stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPT1_CONTINUED", str(stopped / "continued"))
    monkeypatch.setenv("GPT1_RESUME", "changed")
    run(stopped)
    run(stopped, "whole")
    assert files(stopped / "models/gpt") == files(stopped / "whole")
    assert Path("models/gpt-metrics.json").read_bytes() == Path("whole-metrics.json").read_bytes()
    assert not (stopped / "continued").exists()


def test_two_changes_since_the_same_state_count_as_one_and_there_and_back_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def now(done: int, threads: int) -> continuing.Changes:
        return continuing.changes(tmp_path, done, {"threads": threads, "code": "a"})

    monkeypatch.setenv("GPT1_RESUME", "changed")
    assert now(0, 1) == {}
    assert now(0, 5) == {}, "nothing was trained yet"
    assert now(7, 2) == {"7": {"threads": [5, 2]}}
    assert now(7, 3) == {"7": {"threads": [5, 3]}}
    assert now(9, 2) == {"7": {"threads": [5, 3]}, "9": {"threads": [3, 2]}}
    assert now(9, 3) == {"7": {"threads": [5, 3]}}


def test_conditions_are_those_of_the_state_not_of_a_start_that_saved_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what people allowed at that start needs no second word."""

    def now(done: int, threads: int) -> continuing.Changes:
        return continuing.changes(tmp_path, done, {"threads": threads})

    assert now(0, 2) == {}
    with monkeypatch.context() as patch:
        patch.setenv("GPT1_RESUME", "changed")
        assert now(7, 4) == {"7": {"threads": [2, 4]}}
    assert now(7, 4) == {"7": {"threads": [2, 4]}}
    with pytest.raises(UserError, match="threads: 2 -> 3 changed since the state of 7 updates"):
        now(7, 3)
    assert now(7, 2) == {}
    assert now(9, 2) == {}


def test_of_code_only_what_runs_counts(tmp_path: Path) -> None:
    code = tmp_path / "room/code.py"
    code.parent.mkdir()
    code.write_text("x = 1\n")
    before = fingerprint({}, code.parent)
    code.write_text('"""A docstring."""\n\nx = 1  # a comment\n"""Of x."""\n')
    assert fingerprint({}, code.parent) == before
    code.write_text("x = 2\n")
    assert fingerprint({}, code.parent) != before
    code.write_text("x = \n")
    assert fingerprint({}, code.parent) != before, "nothing may import it"


def test_the_digest_of_code_is_that_of_every_version_of_python(tmp_path: Path) -> None:
    """3.12 added empty fields to a function, 3.13 leaves empty ones out."""
    (tmp_path / "code.py").write_text("def f(x, *, y=None):\n    return None, [x], f'{y}'\n")
    assert fingerprint({}, tmp_path) == "d88317641cf4376b"


def test_another_network_recipe_or_other_data_never_resume_a_state(stopped: Path) -> None:
    work = stopped / ".work/pretrain@gpt"
    assert len(list(work.iterdir())) == 1
    write_params(stopped, epochs=1, seed=7)
    run(stopped)
    assert len(list(work.iterdir())) == 1, "the state stays, for who puts the seed back"
    write_params(stopped, epochs=1)
    shards = stopped / "data/shards"
    before = fingerprint({}, shards)
    with next(shards.iterdir()).open("ab") as opened:
        opened.write(b"!")
    assert fingerprint({}, shards) != before


def test_a_vocabulary_that_is_missing_is_named(folder: Path) -> None:
    (folder / "data/vocabularies/bpe/vocab.json").unlink()
    with pytest.raises(UserError, match=r"data/vocabularies/bpe: no vocab\.json;"):
        run(folder)
