"""The whole way at a tiny size: real git, real DVC, real Prefect, every stage."""

import os
import re
import shutil
from pathlib import Path

import pytest

from stages.tracking import mlflow_run

pytestmark = pytest.mark.slow
TASK = "next_sentence"
CELL = {f"finetune@{TASK}-gpt-1", f"evaluate@{TASK}"}
REAL = os.environ.get("GPT1_REAL_DATA")


@pytest.fixture
def workspace(workspace, databases):
    workspace.lay_out(databases)
    return workspace


def ask(workspace, models):
    """One task: every stage is there, and no more cells than the claims need."""
    params = workspace.read("params.yaml")
    params["derived_tasks"] = {TASK: params["derived_tasks"][TASK]}
    params["models"] = {name: params["models"][name] for name in models}
    params["compare"] |= {"tasks": [TASK], "models": models}
    workspace.dump(params, "params.yaml")


def novels():
    return sorted(Path(REAL or "", "books").glob("*.txt"))[:3] if REAL else []


def test_two_clean_builds_and_the_flow_write_the_same_lock_and_a_change_reruns_what_it_should(
    workspace,
):
    """Stretches of three real novels are among the books, where they are at hand."""
    ask(workspace, ["gpt"])
    for novel in novels():
        stretch = novel.read_bytes().decode("utf-8-sig")[50_000:56_000]
        (workspace.root / "books" / novel.name).write_text(stretch)
    workspace.dvc("repro")
    first = workspace.lock
    for name in ("dvc.lock", ".dvc/cache"):  # nothing to restore from
        path = workspace.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = workspace.gpt1("run")
    assert workspace.lock == first
    assert re.search(rf"^ *{TASK} +\d+\.\d", done.stdout, re.MULTILINE), "the results"
    assert re.search(r"^report +report/index.html", done.stdout, re.MULTILINE)
    client, experiment = mlflow_run.connect(workspace.root)
    [row] = client.search_runs([experiment], f"tags.task = '{TASK}' and tags.comparison LIKE '_%'")
    comparison = client.get_run(row.data.tags["mlflow.parentRunId"])
    assert client.get_run(comparison.data.tags["mlflow.parentRunId"]).info.run_name == "pipeline"

    params = workspace.read("params.yaml")
    params["finetune"][TASK]["learning_rate"] *= 2
    workspace.dump(params, "params.yaml")
    again = workspace.dvc("repro").stdout
    ran = {*re.findall(r"Running stage '(.+?)'", again)}
    assert ran - {"card@gpt"} == CELL | {"report"}  # the card, where a score changed


@pytest.mark.nightly
@pytest.mark.skipif(not REAL, reason="GPT1_REAL_DATA is not set: no novels at hand")
def test_three_real_novels_go_through_every_stage(workspace):
    ask(workspace, ["gpt", "scratch"])
    shutil.rmtree(workspace.root / "books")
    (workspace.root / "books").mkdir()
    for novel in novels():
        shutil.copy(novel, workspace.root / "books")
    params = workspace.read("params.yaml")
    for model in params["models"].values():
        model |= {"batch": 64, "micro_batch": 64}
    workspace.dump(params, "params.yaml")
    workspace.dvc("repro")
    assert TASK in workspace.gpt1("results").stdout
    assert len(list((workspace.root / "data/raw/books").iterdir())) == 3
