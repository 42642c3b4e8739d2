"""`gpt1` over a project that has nothing of GPT-1: `started/` has the shape of DVC's example."""

import json
import random
import shutil
from pathlib import Path

import pytest

from pipelines.flow import servers
from tests.conftest import Folder, InstalledFolder

pytestmark = pytest.mark.slow
STARTED = Path(__file__).with_name("started")
STAGES = {"prepare", "featurize", "train", "evaluate"}
TOPICS = {"&lt;r&gt;": "frame vector tidy plot factor", "&lt;c&gt;": "pointer struct header macro"}


def posts(count=60, seed=1):
    """Questions with a tag, as the dump of a forum has them."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        tag = chance.choice(sorted(TOPICS))
        words = f"how do i use the in my {TOPICS[tag]}".split()
        body = " ".join(chance.choices(words, k=20))
        rows.append(f'<row Tags="{tag}" Body="{body}" />')
    return "<posts>\n{}\n</posts>\n".format("\n".join(rows))


def begin(project):
    """What people have who follow DVC's first pages: git, `dvc init`, `dvc add`, one commit."""
    project.run("git", "init", "-q")
    project.dvc("init", "-q")
    shutil.copytree(STARTED, project.root, dirs_exist_ok=True)
    # DVC would count a dvc.yaml in here among the graphs of this repository.
    (project.root / "graph.yaml").rename(project.root / "dvc.yaml")
    (project.root / "data").mkdir()
    (project.root / "data" / "data.xml").write_text(posts())
    project.dvc("add", "-q", "data/data.xml")
    project.run("git", "add", ".")
    project.run("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "first")
    return project


@pytest.fixture(params=["clone", "wheel"])
def started(request, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # Python's own default
    if request.param == "wheel":
        return begin(InstalledFolder(tmp_path, request.getfixturevalue("environment")))
    return begin(Folder(tmp_path))


def plan(project):
    """The state of each stage; the data is a stage, too, to DVC."""
    rows = json.loads(project.gpt1("plan", "--json").stdout)
    return {row["stage"]: row["state"] for row in rows if row["stage"] in STAGES}


def test_run_plan_lineage_and_up_work_and_leave_what_dvc_leaves(started, databases):
    assert plan(started) == dict.fromkeys(STAGES, "will run")
    started.lay_out(databases)
    done = started.gpt1("run").stdout
    assert "Completed. 4 stages" in done
    assert "was edited" not in done
    assert started.read("eval/metrics.json")["accuracy"] > 0.8
    assert plan(started) == dict.fromkeys(STAGES, "unchanged")
    assert "up to date" in started.dvc("status").stdout
    assert "accuracy" in started.dvc("metrics", "show").stdout
    new = started.run("git", "status", "--short").stdout.split()[1::2]
    assert sorted(new) == [".gitignore", "data/.gitignore", "dvc.lock", "eval/"]

    by_gpt1 = started.lock
    (started.root / "dvc.lock").unlink()
    started.dvc("repro")
    assert started.lock == by_gpt1

    params = started.read("params.yaml")
    params["train"]["smoothing"] = 2.0
    started.dump(params, "params.yaml")
    assert plan(started) == {
        "prepare": "unchanged",
        "featurize": "unchanged",
        "train": "will run",
        "evaluate": "may run",
    }
    told = started.gpt1("lineage", "eval/metrics.json").stdout
    for name in (*STAGES, "data/data.xml", "src/words"):
        assert name in told

    ports = [servers._free(kind, 0) for kind in ("prefect", "mlflow")]
    up = started.gpt1("up", f"--prefect-port={ports[0]}", f"--mlflow-port={ports[1]}").stdout
    try:
        assert [line.split()[0] for line in up.splitlines()] == ["prefect", "mlflow"]
        assert "not" not in started.gpt1("status").stdout
    finally:
        started.gpt1("down")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["results"], "this is no project of GPT-1"),
        (["plan", "--cost"], "--cost knows the stages of GPT-1 alone"),
    ],
)
def test_what_is_about_gpt_1_says_so_in_one_line(project, command, said):
    project.write({"s": {"cmd": "true"}})
    done = project.gpt1(*command, check=False)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert said in line
