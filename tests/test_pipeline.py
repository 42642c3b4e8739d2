"""The whole way at a tiny size: real git, real DVC, real Prefect, every stage."""

import os
import re
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
TASK = "next_sentence"
CELLS = {
    f"{stage}@{TASK}-{model}-1"
    for stage in ("finetune", "evaluate")
    for model in ("gpt", "scratch")
}


@pytest.fixture
def workspace(workspace):
    """With one task: every stage is there, and no more cells than the claims need."""
    params = workspace.read("params.yaml")
    params["derived_tasks"] = {TASK: params["derived_tasks"][TASK]}
    params["compare"]["tasks"] = [TASK]
    workspace.dump(params, "params.yaml")
    return workspace


def test_two_clean_builds_and_the_flow_write_the_same_lock_and_a_change_reruns_what_it_should(
    workspace,
):
    workspace.dvc("repro")
    first = workspace.lock
    for name in ("dvc.lock", ".dvc/cache"):  # nothing to restore from
        path = workspace.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = workspace.gpt1("run")
    assert workspace.lock == first
    assert "next_sentence" in done.stdout
    assert "report" in done.stdout

    params = workspace.read("params.yaml")
    params["finetune"][TASK]["learning_rate"] *= 2
    workspace.dump(params, "params.yaml")
    again = workspace.dvc("repro").stdout
    assert set(re.findall(r"Running stage '(.+?)'", again)) == CELLS | {"report"}


def test_three_real_novels_go_through_every_stage(workspace):
    if not (data := os.environ.get("GPT1_REAL_DATA")):
        pytest.skip("GPT1_REAL_DATA is not set: no novels at hand")
    shutil.rmtree(workspace.root / "books")
    (workspace.root / "books").mkdir()
    for novel in sorted(Path(data, "books").glob("*.txt"))[:3]:
        shutil.copy(novel, workspace.root / "books")
    params = workspace.read("params.yaml")
    for model in params["models"].values():
        model |= {"batch": 64, "micro_batch": 64}
    workspace.dump(params, "params.yaml")
    workspace.dvc("repro")
    assert "next_sentence" in workspace.gpt1("results").stdout
    assert len(list((workspace.root / "data/raw/books").iterdir())) == 3
