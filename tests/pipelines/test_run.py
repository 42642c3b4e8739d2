"""`gpt1 run` as people start it: a process of its own, real DVC, Prefect and MLflow."""

import pytest

STAGES = {
    "first": {"cmd": "cat in > first; echo said by first", "deps": ["in"], "outs": ["first"]},
    "left": {"cmd": "cat first > left", "deps": ["first"], "outs": ["left"]},
    "right": {"cmd": "cat first > right", "deps": ["first"], "params": ["a"], "outs": ["right"]},
    "last": {"cmd": "cat left right > last", "deps": ["left", "right"], "outs": ["last"]},
}


@pytest.fixture
def small(project):
    (project.root / "in").write_text("x")
    project.write(STAGES)
    return project


@pytest.mark.slow
def test_run_leaves_the_lock_file_of_dvc_repro_and_then_finds_nothing_to_do(small):
    small.gpt1("run", check=False)  # no results to show
    lock = small.lock
    assert set(lock["stages"]) == set(STAGES)
    assert "said by first" in (small.root / ".work/logs/first.txt").read_text()
    assert small.gpt1("run", check=False).stdout.startswith("Nothing to do: all 4 stages")
    assert "is down" in small.gpt1("status").stdout
    (small.root / "dvc.lock").unlink()
    small.dvc("repro", "--force")
    assert small.lock == lock


@pytest.mark.slow
def test_a_failed_stage_stops_what_hangs_on_it_and_is_named_with_its_last_lines(small):
    stages = STAGES | {"left": STAGES["left"] | {"cmd": "echo its last words; exit 3"}}
    small.write(stages)
    done = small.gpt1("run", check=False)
    assert done.returncode == 1
    assert "left failed" in done.stdout
    assert "its last words" in done.stdout
    assert ".work/logs/left.txt" in done.stdout
    assert set(small.lock["stages"]) == {"first", "right"}
