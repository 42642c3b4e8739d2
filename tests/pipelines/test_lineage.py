"""After plain `dvc repro`, with no flow: MLflow and the lock file know where all is from."""

from dataclasses import replace
from itertools import pairwise

import pytest

from gpt1.errors import UserError
from pipelines.execution import lockfile
from pipelines.history import records
from pipelines.history.lineage import Lineage
from pipelines.history.records import Records

COPIES = """
import sys
from stages import tracking
with tracking.run():
    open(sys.argv[2], "w").write(open(sys.argv[1]).read() + sys.argv[2])
"""


COMMAND = "python copies.py {} {}"
SHELL = "(cat {0}; printf %s {1}) > {1}"
"""The same with no MLflow in the stage's own process; `Project.record` plays that part."""


def copies(dep, out, command=SHELL):
    return {"cmd": command.format(dep, out), "deps": [dep], "outs": [out]}


@pytest.fixture(scope="module")
def built(new_project, databases):
    """books -> clean -> model -> score, and an unrelated stage; then the same with other books."""
    project = new_project()
    project.lay_out(databases)
    (project.root / "copies.py").write_text(COPIES)
    stages = {out: copies(dep, out) for dep, out in pairwise(["books", "clean", "model", "score"])}
    stages["model"] = copies("clean", "model", COMMAND)
    stages["apart"] = {"cmd": "echo > apart", "outs": ["apart"]}
    project.write(stages)
    (project.root / "books").write_text("old")
    project.run("git", "add", "-A")
    project.run("git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "first")
    project.dvc("repro")
    project.record("clean", "score")
    project.first = project.lock["stages"]
    Records(project.root).backfill_hashes()
    (project.root / "books").write_text("new")
    project.dvc("repro")
    project.record("clean", "score")
    return project


def labels(tree):
    return [tree.label, *(label for child in tree.children for label in labels(child))]


def words(tree):
    return [label.split()[0] for label in labels(tree)]


def test_back_goes_down_to_what_no_stage_made(built):
    lineage = Lineage(built.root)
    back = lineage.back(lineage.find("score"))
    assert words(back) == ["score", "model", "model", "clean", "clean", "books"]
    hashes = {
        path: digest
        for entry in built.lock["stages"].values()
        for path, digest in lockfile.hashes(entry, "deps").items()
    }
    assert all(f"{path}  {hashes[path][:12]}" in labels(back) for path in ("books", "clean"))


def test_forward_goes_to_all_that_was_made_from_it(built):
    lineage = Lineage(built.root)
    assert words(lineage.forward(lineage.find("clean"))) == ["clean", "model", "score"]


def test_each_run_carries_commit_dirty_flag_hashes_versions_and_data_sets(built):
    Lineage(built.root)
    newest = Records(built.root).runs("tags.stage = 'model'")[0]
    entry = built.lock["stages"]["model"]
    assert records.outputs_of(newest) == lockfile.hashes(entry, "outs")
    assert records.inputs_of(newest) == lockfile.hashes(entry, "deps")
    assert {i.dataset.digest for i in newest.inputs.dataset_inputs} == {
        *lockfile.hashes(entry, "outs").values(),
        *lockfile.hashes(entry, "deps").values(),
    }
    commit = built.run("git", "rev-parse", "HEAD").stdout.strip()
    assert newest.data.tags["mlflow.source.git.commit"] == commit
    assert newest.data.tags["git.dirty"] == "true"
    assert "version.numpy" in newest.data.tags


def test_an_older_run_is_found_by_its_id_with_the_data_of_its_time(built):
    lineage = Lineage(built.root)
    older = Records(built.root).runs("tags.stage = 'score'")[-1]
    making = lineage.find(older.info.run_id[:8])
    assert making.outs == lockfile.hashes(built.first["score"], "outs")
    assert f"books  {built.first['clean']['deps'][0]['md5'][:12]}" in labels(lineage.back(making))


def test_the_beginning_of_an_id_will_do_while_only_one_run_has_it(built):
    lineage = Lineage(built.root)
    first = next(making.run for making in lineage._executions if making.run)
    assert lineage.find(first[:4]).run == first
    lineage._executions = [
        replace(m, run=first[:5] + m.run[5:]) for m in lineage._executions if m.run
    ]
    with pytest.raises(UserError, match=f"{first[:5]} matches .* runs: .*{first}"):
        lineage.find(first[:5])


def test_checkout_brings_back_exactly_the_data_of_a_run(built):
    older = Records(built.root).runs("tags.stage = 'score'")[-1].info.run_id
    newer = Records(built.root).runs("tags.stage = 'score'")[0].info.run_id
    built.gpt1("checkout", older)
    assert (built.root / "score").read_text() == "oldcleanmodelscore"
    assert (built.root / "model").read_text() == "oldcleanmodel"
    assert built.lock["stages"] == built.first
    built.gpt1("checkout", newer)
    assert (built.root / "score").read_text() == "newcleanmodelscore"


def test_what_dvc_restored_is_credited_to_the_run_that_made_it(project, databases):
    project.lay_out(databases)
    (project.root / "copies.py").write_text(
        COPIES.replace("run():", "run() as run:\n    run.params({'a': sys.argv[3]})")
    )
    stage = {"cmd": "python copies.py books out ${a}", "deps": ["books"], "params": ["a"]}
    (project.root / "books").write_text("old")
    for a in (1, 2, 1):
        project.write({"out": stage | {"outs": ["out"]}}, a=a)
        project.dvc("repro")
    Lineage(project.root)
    newer, older = Records(project.root).runs("tags.stage = 'out'")
    assert records.outputs_of(older) == lockfile.hashes(project.lock["stages"]["out"], "outs")
    assert not records.outputs_of(newer)


@pytest.fixture(scope="module")
def reported(new_project, databases):
    """Two scores in a folder, and a report of the whole folder; one score was made twice."""
    project = new_project()
    project.lay_out(databases)
    stages = {name: copies(name, f"scores/{name}") for name in ("a", "b")}
    stages["report"] = copies("scores/a", "report") | {"deps": ["scores"]}
    (project.root / "scores").mkdir()
    project.write(stages)
    for text, made in (("old", "ab"), ("new", "a")):
        (project.root / "a").write_text(text)
        (project.root / "b").write_text("same")
        project.dvc("repro")
        project.record(*made, "report")
        Records(project.root).backfill_hashes()
    return project


def test_a_report_of_a_folder_comes_from_all_that_is_in_it(reported):
    lineage = Lineage(reported.root)
    assert words(lineage.back(lineage.find("report"))) == ["report", "scores", "a", "a", "b", "b"]
    assert words(lineage.forward(lineage.find("scores/b"))) == ["b", "report"]


def test_an_older_report_comes_from_the_scores_of_its_time(reported):
    lineage = Lineage(reported.root)
    older = Records(reported.root).runs("tags.stage = 'report'")[-1].info.run_id
    reported.gpt1("checkout", older)
    assert (reported.root / "report").read_text().startswith("old")
    assert (reported.root / "scores/a").read_text().startswith("old")
    assert len(lineage.upstream(lineage.find(older))) == 3


def test_a_path_is_found_by_its_absolute_name_and_from_a_folder_below(built):
    lineage = Lineage(built.root)
    assert lineage.find(str(built.root / "score")) == lineage.find("score")
    (built.root / "below").mkdir()
    said = built.run("sh", "-c", "cd below && gpt1 lineage ../score").stdout
    assert said.startswith("made from\nscore")


def test_an_unknown_path_or_run_is_one_line(built):
    with pytest.raises(UserError, match="nowhere is neither an output of a stage"):
        Lineage(built.root).find("nowhere")


def test_a_file_of_a_folder_comes_from_the_stage_of_the_folder_though_that_keeps_no_runs(
    project, databases
):
    project.lay_out(databases)
    folder = {"cmd": "mkdir ids; cp a ids/a; cp a ids/b", "deps": ["a"], "outs": ["ids"]}
    project.write({"ids": folder, "model": copies("ids/a", "model")})
    (project.root / "a").write_text("text")
    project.dvc("repro")
    project.record("model")
    lineage = Lineage(project.root)
    assert words(lineage.back(lineage.find("model"))) == ["model", "ids/a", "ids", "a"]
    assert words(lineage.forward(lineage.find("ids"))) == ["ids", "model"]
    assert {each.stage for each in lineage.upstream(lineage.find("model"))} == {"ids", "model"}
