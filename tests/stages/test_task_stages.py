"""From held-out documents to scores, each stage as DVC calls it."""

import contextlib
import importlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_type_hints

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from ruamel.yaml import YAML

from gpt1 import TaskModel
from gpt1.device import hardware
from gpt1.errors import UserError
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tasks import table
from gpt1.tokens.bpe import BPETokenizer
from gpt1.training.stopping import RESUME_CODE
from stages.tracking import mlflow_run

ROOT = Path(__file__).parents[2]
TASKS = ["book", "continuation", "same_book", "next_sentence"]
VOCABULARIES = {"vocabularies": "data/vocabularies"}


def run(folder: Path, name: str, **arguments: str | int) -> None:
    stage = importlib.import_module(f"stages.{name}").main
    kinds = get_type_hints(stage)
    with contextlib.chdir(folder):
        stage(**{key: kinds[key](value) for key, value in arguments.items()})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, databases: Path) -> Path:
    """Params, held-out documents of four books, and a small model that was never trained."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(databases, folder, dirs_exist_ok=True)
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    for name in TASKS:
        params["derived_tasks"][name] |= {"train": 40, "dev": 8, "test": 12, "words": 6}
        params["finetune"][name] |= {"epochs": 1}
    params["compare"]["models"] = ["gpt"]
    YAML(typ="safe").dump(params, folder / "params.yaml")
    words = random.Random(1)
    texts = {
        book: "\n".join(
            " ".join(words.choices(["the", "old", "king", book], k=8)) + "." for _ in range(200)
        )
        for book in ("ruth", "ezra", "joel", "amos")
    }
    (folder / "data/clean").mkdir(parents=True)
    documents = pa.table({"book": list(texts), "text": list(texts.values())})
    pq.write_table(documents, folder / "data/clean/valid.parquet")
    tokenizer = BPETokenizer.train(texts.values(), merges=10)
    torch.manual_seed(0)
    config = GPTConfig(vocab=len(tokenizer), layers=1, width=16, heads=2, context=64, dropout=0.1)
    GPT(config).save(folder / "models/gpt")
    tokenizer.save(folder / "models/gpt")
    (folder / "data/vocabularies/bpe").mkdir(parents=True)
    tokenizer.save(folder / "data/vocabularies/bpe")
    for name in TASKS:
        documents_of = {
            "documents": "data/clean/valid.parquet",
            "out": f"data/tasks/{name}.parquet",
        }
        run(folder, "derived_task", task=name, **documents_of)
        run(folder, "tokens", task=documents_of["out"], **VOCABULARIES, out=f"data/tokens/{name}")
    return folder


def finetuned(project: Path, task: str, where: str = ".", kept: bool = True) -> None:
    (project / "kept.json").write_text(json.dumps(kept))
    run(
        project,
        "finetune",
        task=f"data/tasks/{task}.parquet",
        tokens=f"data/tokens/{task}/gpt.parquet",
        model="models/gpt",
        seed=1,
        kept="kept.json",
        out=f"{where}/finetuned/{task}-gpt-1",
        predictions=f"{where}/predictions/{task}/gpt-1.parquet",
        curve=f"{where}/curves/finetune/{task}-gpt-1.csv",
    )


def test_a_fine_tune_chooses_its_kernels_before_the_device_starts(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.use_deterministic_algorithms(False)
    monkeypatch.setenv("GPT1_DEVICE", "none such")
    with pytest.raises(UserError, match="GPT1_DEVICE"):
        finetuned(project, "book")
    assert torch.are_deterministic_algorithms_enabled()


def evaluated(project: Path, task: str, out: Path | str) -> None:
    resampled = f"metrics/resampled/{task}.parquet"
    predictions = f"predictions/{task}"
    run(project, "evaluate", task=task, predictions=predictions, out=out, resampled=resampled)


@pytest.mark.parametrize("task", ["same_book", "next_sentence"])
def test_a_derived_task_goes_all_the_way_to_its_scores(project: Path, task: str) -> None:
    finetuned(project, task)
    out = project / f"metrics/evaluate/{task}.json"
    evaluated(project, task, out)
    scores = json.loads(out.read_text())
    samples = pd.read_parquet(project / f"metrics/resampled/{task}.parquet")["gpt-1"]
    low, high = np.percentile(samples, [2.5, 97.5])
    assert scores["gpt-1"]["splits"]["test"]["interval"] == [low, high]
    assert list(scores) == ["gpt-1"]
    found = scores["gpt-1"]
    assert (found["task"], found["model"], found["seed"]) == (task, "gpt", 1)
    assert {split: scores["n"] for split, scores in found["splits"].items()} == {
        "dev": 8,
        "test": 12,
    }
    curve = (project / f"curves/finetune/{task}-gpt-1.csv").read_text().splitlines()
    assert curve[0] == "update,loss,task_loss,language_model_loss,rate,gradient_norm"
    assert len(curve) == 1 + 1  # 40 examples, a batch of 32
    _, examples = table.read_task(project / f"data/tasks/{task}.parquet")
    model = TaskModel.load(project / f"finetuned/{task}-gpt-1")
    rows = [{"text": e.text, "text_pair": e.text_pair, "choices": e.choices} for e in examples]
    assert len(model.predict(rows)) == 60
    assert not list((project / ".work").rglob("state*"))


def test_an_evaluation_reads_the_cells_that_params_name_and_no_others(
    project: Path, tmp_path: Path
) -> None:
    finetuned(project, "book")
    predictions = project / "predictions/book/gpt-1.parquet"
    shutil.copy(predictions, predictions.with_name("gone-1.parquet"))
    evaluated(project, "book", tmp_path / "a.json")
    assert list(json.loads((tmp_path / "a.json").read_text())) == ["gpt-1"]
    predictions.rename(tmp_path / "gpt-1.parquet")
    with pytest.raises(UserError, match=r"^predictions/book/gpt-1\.parquet is missing"):
        evaluated(project, "book", "b.json")
    shutil.move(tmp_path / "gpt-1.parquet", predictions)


def test_each_compared_model_has_ids_by_its_own_vocabulary_and_equal_ones_are_equal_files(
    project: Path, tmp_path: Path
) -> None:
    shutil.copytree(project / "data", tmp_path / "data")
    folder = tmp_path / "data/vocabularies"
    params = YAML(typ="safe").load(project / "params.yaml")
    params["compare"]["models"] = ["scratch", "theirs", "same"]
    params["imported"] = {name: {"path": "x"} for name in ("theirs", "same")}
    shutil.copytree(folder / "bpe", folder / "same")
    for name in ("theirs", "scratch"):  # `scratch` is left behind: it was imported once
        (folder / name).mkdir()
        BPETokenizer.train(["another vocabulary"], merges=5).save(folder / name)

    def written(**sections: dict) -> dict[str, bytes]:
        YAML(typ="safe").dump(params | sections, tmp_path / "params.yaml")
        run(tmp_path, "tokens", task="data/tasks/book.parquet", **VOCABULARIES, out="ids")
        return {path.stem: path.read_bytes() for path in (tmp_path / "ids").iterdir()}

    found = written()
    assert found.keys() == {"scratch", "theirs", "same"}
    assert found["scratch"] == found["same"] != found["theirs"]
    assert found["scratch"] == (project / "data/tokens/book/gpt.parquet").read_bytes()
    ablated = written(no_auxiliary={"tasks": ["book"], "seeds": [1]})
    assert ablated == found | {"gpt": found["scratch"]}


def test_a_fine_tune_with_ids_of_another_vocabulary_is_refused(
    project: Path, tmp_path: Path
) -> None:
    shutil.copytree(project, tmp_path, dirs_exist_ok=True)
    BPETokenizer.train(["another vocabulary"], merges=5).save(tmp_path / "data/vocabularies/bpe")
    run(tmp_path, "tokens", task="data/tasks/book.parquet", **VOCABULARIES, out="data/tokens/book")
    with pytest.raises(
        UserError, match=r"^data/tokens/book/gpt\.parquet: the token ids of another"
    ):
        finetuned(tmp_path, "book", "refused")
    assert not (tmp_path / "refused").exists()


@pytest.mark.slow
def test_a_fine_tune_imports_nothing_that_reads_text(project: Path, tmp_path: Path) -> None:
    stage = (
        "import sys; from pathlib import Path; from stages import finetune;"
        "finetune.main(task=Path('data/tasks/book.parquet'), model=Path('models/gpt'), seed=1,"
        " tokens=Path('data/tokens/book/gpt.parquet'), kept=Path('kept.json'),"
        " out=Path(sys.argv[1], 'm'),"
        " predictions=Path(sys.argv[1], 'p'), curve=Path(sys.argv[1], 'c'));"
        "print(sorted({'ftfy', 'spacy'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", stage, tmp_path], cwd=project, check=True, text=True,
        capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == "[]\n"


def test_a_model_fine_tuned_twice_has_the_same_bytes(project: Path) -> None:
    for where in ("once", "again"):
        finetuned(project, "book", where)
    once = sorted(path for path in (project / "once").rglob("*") if path.is_file())
    assert len(once) == 11
    for path in once:
        again = project / "again" / path.relative_to(project / "once")
        assert path.read_bytes() == again.read_bytes(), path.name


@pytest.mark.slow
def test_a_fine_tune_that_was_stopped_and_killed_ends_in_the_same_bytes(
    project: Path, databases: Path, tmp_path: Path
) -> None:
    values = YAML(typ="safe").load(project / "params.yaml")
    values["finetune"]["book"]["epochs"] = 400
    for name in ("whole", "stopped"):
        for part in ("data", "models"):
            shutil.copytree(project / part, tmp_path / name / part)
        shutil.copytree(databases, tmp_path / name, dirs_exist_ok=True)
        YAML(typ="safe").dump(values, tmp_path / name / "params.yaml")
        (tmp_path / name / "kept.json").write_text("true")

    def start(folder: Path) -> "subprocess.Popen[str]":
        command = "-m stages.finetune --task data/tasks/book.parquet --model models/gpt --seed 1 "
        command += "--tokens data/tokens/book/gpt.parquet --kept kept.json "
        command += "--out finetuned/book --predictions p.parquet --curve curve.csv"
        return subprocess.Popen([sys.executable, *command.split()], cwd=folder, text=True,
                                env=os.environ | {"PYTHONPATH": str(ROOT)},
                                stderr=subprocess.PIPE)  # fmt: skip

    def signalled(number: signal.Signals) -> tuple[str, int]:
        """Send a signal early in the training; all it said, and the exit code."""
        process, seen = start(tmp_path / "stopped"), ""
        assert process.stderr
        while "/400" not in seen:
            read = os.read(process.stderr.fileno(), 4096).decode(errors="replace")
            assert read, f"it ended too early: {seen}"
            seen += read
        time.sleep(0.3)
        process.send_signal(number)
        return seen + process.communicate()[1], process.returncode

    whole = start(tmp_path / "whole")
    said, code = signalled(signal.SIGTERM)
    assert code == RESUME_CODE
    [stopped] = re.findall(r"stopped after (\d+) of 400 updates", said)
    assert len(list((tmp_path / "stopped/.work").rglob("state/*.safetensors"))) == min(
        1, int(stopped)
    )
    assert not (tmp_path / "stopped/finetuned").exists()
    assert signalled(signal.SIGKILL)[1] == -signal.SIGKILL
    last = start(tmp_path / "stopped")
    assert re.findall(r"\b(\d+)/400", last.communicate()[1])[0] == stopped
    assert (whole.communicate(), whole.returncode, last.returncode)[1:] == (0, 0)
    for path in ("finetuned/book/model.safetensors", "finetuned/book/head.safetensors",
                 "p.parquet", "curve.csv"):  # fmt: skip
        assert (tmp_path / "stopped" / path).read_bytes() == (
            tmp_path / "whole" / path
        ).read_bytes(), path


def test_without_its_weights_a_fine_tune_has_its_predictions_and_says_how_to_have_them(
    project: Path, tmp_path: Path
) -> None:
    finetuned(project, "book")
    finetuned(project, "book", str(tmp_path), kept=False)
    of_cell = "predictions/book/gpt-1.parquet"
    assert (tmp_path / of_cell).read_bytes() == (project / of_cell).read_bytes()
    directory = tmp_path / "finetuned/book-gpt-1"
    assert [path.name for path in directory.iterdir()] == ["task.json"]
    with pytest.raises(UserError, match=r"were not kept; add it to compare\.kept_weights"):
        TaskModel.load(directory)


@pytest.fixture(scope="module")
def recorded(project: Path) -> tuple[MlflowClient, Run]:
    """The MLflow run of a fine-tune, named as its stage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_STAGE", "finetune@book-gpt-1")
        finetuned(project, "book")
    client, experiment = mlflow_run.connect(project)
    [run] = client.search_runs([experiment], "tags.stage = 'finetune@book-gpt-1'")
    return client, run


def test_a_fine_tune_is_a_run_with_all_that_compares_it(
    recorded: tuple[MlflowClient, Run], project: Path
) -> None:
    client, found = recorded
    assert found.info.run_name == "finetune@book-gpt-1"
    tags = {name: found.data.tags[name] for name in ("task", "model", "seed")}
    assert tags == {"task": "book", "model": "gpt", "seed": "1"}
    assert hardware(torch.device("cpu")).items() <= found.data.tags.items()
    evaluated(project, "book", "scores.json")
    scores = json.loads((project / "scores.json").read_text())["gpt-1"]["splits"]
    measured = found.data.metrics
    assert (found.data.params["metric"], found.data.params["split"]) == ("accuracy", "test")
    assert measured["main"] == measured["test/accuracy"] == scores["test"]["accuracy"]
    low, high = scores["test"]["interval"]
    assert low <= measured["main"] <= high
    assert measured["dev/n"] == 8
    for part in ("loss", "task_loss", "language_model_loss"):
        assert len(client.get_metric_history(found.info.run_id, part)) == 1
    history = [client.get_metric_history(found.info.run_id, part)[0].value
               for part in ("loss", "task_loss", "language_model_loss")]  # fmt: skip
    assert history[0] == pytest.approx(history[1] + 0.5 * history[2])
    artifacts = {artifact.path for artifact in client.list_artifacts(found.info.run_id)}
    assert {"confusion_test.json", "worst_test.json"} <= artifacts


def test_mlflow_answers_raw_text_from_the_model_directory_itself(
    recorded: tuple[MlflowClient, Run], project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, run = recorded
    [output] = run.outputs.model_outputs
    folder = client.get_logged_model(output.model_id).artifact_location.removeprefix("file://")
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {"", ".py", ".txt", ".yaml"}
    assert sum(path.stat().st_size for path in files) < 10_000
    ours = TaskModel.load(project / "finetuned/book-gpt-1").predict(["the old king"])
    mlflow.set_tracking_uri(mlflow_run.database(project))
    model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/book-gpt-1")
    for asked in ("the old king", ["the old king"], [{"text": "the old king"}],
                  pd.DataFrame({"text": ["the old king"], "text_pair": [None]})):  # fmt: skip
        assert model.predict(asked) == ours
    caplog.clear()
    wide = pd.DataFrame({"text": ["the old king"] * 3, "stars": [5] * 3, 7: [None] * 3})
    assert model.predict(wide) == ours * 3
    assert caplog.messages == ["columns that are ignored: stars, 7"]
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "models", "predict", "--env-manager", "local",
         "-m", f"models:/{output.model_id}", "-t", "json"],
        input='{"inputs": [{"text": "the old king"}]}',
        env=os.environ | {"MLFLOW_TRACKING_URI": mlflow_run.database(project)},
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1])["predictions"] == ours


def test_mlflow_refuses_to_answer_with_another_model_than_the_runs_own(
    recorded: tuple[MlflowClient, Run], project: Path
) -> None:
    _, run = recorded
    mlflow.set_tracking_uri(mlflow_run.database(project))
    head = project / "finetuned/book-gpt-1/head.safetensors"
    own = head.read_bytes()
    head.write_bytes(own[:-1] + bytes([own[-1] ^ 1]))
    with pytest.raises(UserError, match=rf"holds another model.*gpt1 checkout {run.info.run_id}"):
        mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/book-gpt-1")
    head.write_bytes(own)


def test_a_missing_recipe_is_one_clear_line(project: Path) -> None:
    with pytest.raises(UserError, match=r"params\.yaml: the section finetune\.other is missing"):
        run(
            project,
            "finetune",
            task="data/tasks/other.parquet",
            tokens="data/tokens/other/gpt.parquet",
            model="models/gpt",
            seed=1,
            kept="kept.json",
            out="finetuned/x",
            predictions="x.parquet",
            curve="x.csv",
        )
