import json
import time

import psutil
import pytest

from gpt1.errors import UserError
from pipelines.graph import graph, plan

STAGES = {
    "first": {"cmd": "cat in > first", "deps": ["in"], "params": ["a"], "outs": ["first"]},
    "second": {"cmd": "cat first > second", "deps": ["first"], "outs": ["second"]},
    "apart": {"cmd": "echo > apart", "params": ["b"], "outs": ["apart"]},
}


PARAMS = {"a": {"x": 1, "y": {"z": 2}}, "b": 1}


@pytest.fixture(scope="module")
def ran(new_project):
    """A project in which every stage ran."""
    project = new_project()
    (project.root / "in").write_text("x")
    project.write(STAGES, **PARAMS)
    project.dvc("repro")
    return project


@pytest.fixture
def built(ran, monkeypatch):
    """The same as the test before found it, for a plan changes nothing."""
    monkeypatch.chdir(ran.root)
    (ran.root / "in").write_text("x")
    (ran.root / "apart").write_text("\n")
    ran.write(STAGES, **PARAMS)
    return ran


def states(made):
    return {name: made.state(name) for name in made.graph.stages}


def why(made):
    return {name: [str(r) for r in reasons] for name, reasons in made.reasons.items()}


def test_what_was_never_run_says_so(project):
    (project.root / "in").write_text("x")
    project.write(STAGES, a=1, b=1)
    made = plan.build_plan(graph.open_project())
    assert set(states(made).values()) == {"will run"}
    assert why(made)["first"] == ["stage was never run here"]


def test_nothing_changed_nothing_to_launch(built):
    assert plan.build_plan(graph.open_project()).to_launch() == []


def test_a_changed_param_is_named_down_to_its_key_with_both_values(built):
    built.write(STAGES, a={"x": 1, "y": {"z": 3}}, b=1)
    made = plan.build_plan(graph.open_project())
    assert why(made) == {"first": ["param a.y.z: 2 -> 3"]}
    assert states(made) == {"first": "will run", "second": "may run", "apart": "unchanged"}


def test_a_section_that_is_new_or_gone_is_named_without_its_values(built):
    built.write(STAGES, a={"x": 1, "new": {"k": [1, 2], "l": 3}}, b=1)
    made = plan.build_plan(graph.open_project())
    assert why(made) == {"first": ["param a.y removed", "param a.new added"]}
    [_, new] = made.reasons["first"]
    assert new.new == {"k": [1, 2], "l": 3}


def test_plan_for_programs_is_json_with_old_and_new_values(built):
    built.write(STAGES, a={"x": 1, "y": {"z": 3}}, b=1)
    found = {s["stage"]: s for s in json.loads(built.gpt1("plan", "--json").stdout)}
    states = {name: stage["state"] for name, stage in found.items()}
    assert states == {"first": "will run", "second": "may run", "apart": "unchanged"}
    [reason] = found["first"]["reasons"]
    assert (reason["what"], reason["name"]) == ("param", "a.y.z")
    assert (reason["old"], reason["new"]) == (2, 3)


def test_a_changed_file_is_named(built):
    (built.root / "in").write_text("y")
    assert why(plan.build_plan(graph.open_project())) == {"first": ["dependency in modified"]}


def test_a_missing_output_is_named(built):
    (built.root / "apart").unlink()
    assert why(plan.build_plan(graph.open_project())) == {"apart": ["output apart deleted"]}


def test_a_changed_command_is_said(built):
    built.write(STAGES | {"apart": STAGES["apart"] | {"cmd": "echo 1 > apart"}}, a=1, b=1)
    assert why(plan.build_plan(graph.open_project(), ["apart"])) == {"apart": ["command changed"]}


def test_targets_take_what_they_hang_on_and_nothing_else(built):
    built.write(STAGES, a=5, b=5)
    assert plan.build_plan(graph.open_project(), ["second"]).to_launch() == ["first", "second"]


def test_force_launches_what_did_not_change(built):
    assert plan.build_plan(graph.open_project(), ["apart"], force=True).to_launch() == ["apart"]


def test_an_unknown_target_is_one_line_with_the_names_there_are(built):
    with pytest.raises(UserError, match="no stage fist; there are apart, first, second"):
        plan.build_plan(graph.open_project(), ["fist"])


def test_a_plan_is_made_while_a_stage_runs(project):
    project.write({"s": {"cmd": "touch began; sleep 30; echo > s", "params": ["a"], "outs": ["s"]}})
    running = project.start("dvc", "repro")
    while not (project.root / "began").exists():
        assert running.poll() is None
        time.sleep(0.05)
    try:
        assert why(plan.build_plan(graph.open_project())) == {"s": ["stage was never run here"]}
        project.write({"s": {"cmd": "true", "params": ["a"], "outs": ["s"]}}, a=2)
        project.dump(
            {
                "schema": "2.0",
                "stages": {"s": {"cmd": "x", "outs": [{"path": "s", "md5": "0" * 32}]}},
            },
            "dvc.lock",
        )
        assert "command changed" in why(plan.build_plan(graph.open_project()))["s"]
    finally:
        for process in [*psutil.Process(running.pid).children(recursive=True), running]:
            process.kill()
        running.wait()
