"""Paths of all kinds in `params.yaml`, on their way through DVC and a shell to a stage."""

import shlex

import pytest

from gpt1.tasks import table
from pipelines.graph import graph

ODD = "my 'books' & (a;b) #1 é*?"
REVIEWS = {
    "path": ODD,
    "shape": "classification",
    "labels": ["bad", "good"],
    "metrics": ["accuracy"],
    "files": {"train": "all.csv", "dev": "all.csv"},
    "columns": {"text": "review", "target": "verdict"},
}


@pytest.mark.slow
def test_a_path_reaches_its_stage_whole(workspace, databases):
    workspace.lay_out(databases)
    params = workspace.read("params.yaml")
    params["raw"]["path"] = ODD
    params["imported"] = {"released": {"path": ODD}}
    params["tasks"] = {"reviews": REVIEWS}
    workspace.dump(params, "params.yaml")
    (workspace.root / ODD).mkdir()
    (workspace.root / ODD / "all.csv").write_text("review,verdict\nYes.,good\nNo.,bad\n")
    stages = {stage.addressing: stage for stage in graph.open_project().index.stages}
    for name in ("raw@books", "import@released", "task@reviews"):
        assert ODD in shlex.split(stages[name].cmd), name
        assert ODD in [dep.def_path for dep in stages[name].deps], name
    workspace.dvc("repro", "--single-item", "task@reviews")
    _, examples = table.read_task(workspace.root / "data/tasks/reviews.parquet")
    assert table.split_sizes(examples) == {"train": 2, "dev": 2}
