"""Two cells, one taken out: what a branch, a kept run or the lock file needs survives."""

import shutil

import pytest

from pipelines.graph import graph
from pipelines.history.prune import find_prunable
from pipelines.history.records import Records
from tests.conftest import Project


def cells(project, names, a):
    stage = {
        "matrix": {"name": names},
        "cmd": "echo ${item.name} ${a} > out_${item.name}",
        "params": ["a"],
        "outs": ["out_${item.name}"],
    }
    project.write({"cell": stage}, a=a)


def commit(project, message):
    project.run("git", "add", "-A")
    project.run("git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", message)


def test_the_state_of_a_stage_that_is_yet_to_end_is_kept_whatever_its_outputs(project):
    cell = "rte-no_auxiliary-1"
    outs = ["predictions/rte/no_auxiliary-1.parquet", f"curves/finetune/{cell}.csv"]
    project.write({"s": {"cmd": "true", "outs": outs}})
    for name in (cell, "gone"):
        (project.root / f".work/finetune@{name}/0123456789abcdef").mkdir(parents=True)
    found = find_prunable(graph.open_project())
    assert found.files == [project.root / ".work/finetune@gone"]


@pytest.mark.slow
def test_prune_shows_and_frees_what_no_lock_entry_branch_or_kept_run_needs(
    project, databases, tmp_path_factory
):
    project.lay_out(databases)
    contents = {}
    for a, branch in ((1, "old"), (2, ""), (3, "")):
        cells(project, ["x", "y"], a)
        project.dvc("repro")
        project.record("cell@x", "cell@y")
        lock = project.lock["stages"]
        contents[a] = [lock[f"cell@{name}"]["outs"][0]["md5"] for name in "xy"]
        if branch:
            commit(project, "old")
            project.run("git", "checkout", "-q", "-b", "new")
        records = Records(project.root)
        records.backfill_hashes()
        if a == 2:
            kept = next(r for r in records.runs("tags.stage = 'cell@x'"))
            records.client.set_tag(kept.info.run_id, "keep", "for the paper")
    cells(project, ["x"], 3)
    for state in ("finetune@gone/0123456789abcdef", "clean/0123456789abcdef", "logs"):
        (project.root / ".work" / state).mkdir(parents=True, exist_ok=True)

    shown = project.gpt1("prune").stdout
    states = ".work/finetune@gone", ".work/clean"
    for part in ("dead stage  cell@y", "out_y", *states, "gpt1 prune --yes"):
        assert part in shown
    assert (project.root / "out_y").exists()
    project.gpt1("prune", "--yes")

    assert list(project.lock["stages"]) == ["cell@x"]
    assert not (project.root / "out_y").exists()
    assert not any((project.root / state).exists() for state in states)
    assert (project.root / ".work/logs").exists()
    files = project.root / ".dvc/cache/files/md5"
    there = {p.parent.name + p.name for p in files.glob("*/*")}
    assert there == {*contents[1], contents[2][0], contents[3][0]}

    shared = tmp_path_factory.mktemp("shared") / "cache"
    (project.root / ".dvc/cache").rename(shared)
    project.dvc("config", "cache.dir", str(shared))
    cells(project, ["x"], 4)
    project.dvc("repro")  # the output of before is used by nothing here
    assert f"not searched: the cache {shared}" in project.gpt1("prune", "--yes").stdout
    assert there < {p.parent.name + p.name for p in (shared / "files/md5").glob("*/*")}


@pytest.mark.slow
def test_in_a_project_below_the_top_of_its_repository_other_branches_keep_what_they_need(
    tmp_path, databases, monkeypatch
):
    (tmp_path / "below").mkdir()
    project = Project(tmp_path / "below")
    shutil.move(project.root / ".git", tmp_path)
    monkeypatch.chdir(project.root)
    project.lay_out(databases)
    for a, branch in ((1, "one"), (2, "two")):
        project.run("git", "checkout", "-q", "-b", branch)
        cells(project, ["x"], a)
        project.dvc("repro")
        commit(project, branch)
    assert not find_prunable(graph.open_project()).cached
