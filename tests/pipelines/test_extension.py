"""The driver in a project that has nothing of GPT-1, and what it records of why a stage ran."""

import pytest

from gpt1.errors import UserError
from pipelines.graph import graph, plan
from pipelines.history.records import Records


def test_a_foreign_project_may_use_the_names_of_our_params_for_its_own(project):
    project.write({"s": {"cmd": "true", "params": ["bpe"]}}, bpe="fast", model=[1])
    assert plan.build_plan(graph.open_project()).to_launch() == ["s"]


def test_in_this_project_a_mistake_in_params_is_refused_before_anything_runs(workspace):
    workspace.dump(workspace.read("params.yaml") | {"model": {}}, "params.yaml")
    with pytest.raises(UserError, match="did you mean models"):
        plan.build_plan(graph.open_project())


def test_a_stage_without_reasons_of_its_own_names_the_upstream_that_will_run(project):
    first = {"cmd": "echo > a", "params": ["x"], "outs": ["a"]}
    stages = {"a": first, "b": {"cmd": "true", "deps": ["a"]}}
    project.write(stages, x=1)
    project.dvc("repro")
    project.write(stages, x=2)
    planned = plan.build_plan(graph.open_project())
    assert planned.why("a") == "param x: 1 -> 2"
    assert planned.why("b") == "depends on a"


def test_the_reason_is_in_the_mlflow_run_of_the_stage(project):
    records = Records(project.root)
    tags = {"stage": "s", "mlflow.parentRunId": "p"}
    run = records.client.create_run(records.experiment, tags=tags).info.run_id
    records.client.set_terminated(run, "FINISHED")
    records.record_stage("s", {}, "p", "param a: 1 -> 2")
    assert records.client.get_run(run).data.tags["reason"] == "param a: 1 -> 2"
