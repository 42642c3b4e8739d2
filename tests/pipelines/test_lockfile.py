"""How a driver writes `dvc.lock`, and what it makes of what a killed DVC leaves behind."""

import json
import os
import subprocess
import threading
from contextlib import closing

import psutil
import pytest
from ruamel.yaml import YAML

from pipelines.execution import lockfile, workspace
from pipelines.execution.local import LocalExecutor
from pipelines.flow.terminal import Terminal
from pipelines.graph import graph

STAGES = {
    f"s{n}": {"cmd": f"echo {n} > o{n}", "params": ["a"], "outs": [f"o{n}"]} for n in range(3)
}


@pytest.fixture
def built(project):
    project.write(STAGES)
    project.dvc("repro")
    return project


def test_a_driver_writes_byte_for_byte_what_dvc_writes(built):
    file = built.root / "dvc.lock"
    text, stages = file.read_text(), built.lock["stages"]
    file.unlink()
    written = lockfile.LockFiles(graph.open_project())
    for name, entry in stages.items():
        written.put(name, entry)
    written.flush()
    assert file.read_text() == text


def test_every_state_of_the_file_that_anyone_sees_is_whole(built):
    """Read again and again while 200 stages end: DVC's own writes fail this."""
    entry, names, torn = built.lock["stages"]["s0"], [f"t{n}" for n in range(200)], []
    over = threading.Event()

    def read():
        while not over.is_set():
            text = (built.root / "dvc.lock").read_text()
            if not {"s0", "s1", "s2"} <= set(YAML(typ="safe").load(text)["stages"]):
                torn.append(text)

    reader = threading.Thread(target=read)
    reader.start()
    written = lockfile.LockFiles(graph.open_project())
    written.REST = 0
    for name in names:
        written.put(name, entry)
    over.set()
    reader.join()
    assert not torn
    assert set(built.lock["stages"]) == {"s0", "s1", "s2", *names}


def test_stages_that_end_soon_after_each_other_are_written_together(built):
    file, entry = built.root / "dvc.lock", built.lock["stages"]["s0"]
    written, states = lockfile.LockFiles(graph.open_project()), set()
    written.REST = 1000
    for n in range(50):
        written.put(f"t{n}", entry)
        states.add(file.stat().st_ino)
    assert len(states) == 1
    written.flush()
    assert len(built.lock["stages"]) == 53


def test_what_another_dvc_wrote_in_between_stays(built):
    written = lockfile.LockFiles(graph.open_project())
    written.put("t", built.lock["stages"]["s0"])
    written.flush()
    built.write(STAGES, a=2)
    built.dvc("repro", "s1")
    written.put("u", built.lock["stages"]["s0"])
    written.flush()
    assert set(built.lock["stages"]) == {"s0", "s1", "s2", "t", "u"}
    assert built.lock["stages"]["s1"]["params"] == {"params.yaml": {"a": 2}}


def test_stages_of_a_folder_below_have_the_lock_file_there(project):
    (project.root / "below").mkdir()
    project.dump({"stages": {"s": {"cmd": "echo > s", "outs": ["s"]}}}, "below/dvc.yaml")
    repo = graph.open_project()
    stage = graph.load(repo).stages["below/dvc.yaml:s"]
    with closing(LocalExecutor(repo)) as executor:
        assert executor.run(stage, Terminal()).status == "ran"
    assert list(project.read("below/dvc.lock")["stages"]) == ["s"]
    assert not (project.root / "dvc.lock").exists()


@pytest.mark.parametrize("left", ["{", None])
def test_a_cut_or_dead_note_of_who_reads_what_stops_no_later_dvc(built, left):
    note = built.root / ".dvc/tmp/rwlock"
    ours = {"pid": psutil.Process(os.getppid()).pid, "cmd": "dvc repro"}  # a number used again
    note.write_text(left or json.dumps({"read": {}, "write": {f"{built.root}/o0": ours}}))
    (built.root / "o0").unlink()
    assert built.dvc("repro", "s0", check=False).returncode  # what is mended
    with workspace.exclusive_lock(graph.open_project()):
        built.dvc("repro", "s0")


def test_what_a_killed_writer_left_beside_an_output_is_removed_and_nothing_else(project):
    (project.root / "metrics").mkdir()
    project.write({"s": {"cmd": "echo > metrics/s.json", "outs": ["metrics/s.json"]}})
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = project.root / f"metrics/.s.json.{dead.pid}.part"
    (left / "below").mkdir(parents=True)
    state = project.root / f".work/s/.0123456789abcdef.{dead.pid}.part"
    state.mkdir(parents=True)
    at_work = project.root / f".dvc.lock.{os.getpid()}.part"
    at_work.touch()
    workspace.remove_partial_outputs(graph.load(graph.open_project()), project.root)
    assert not left.exists()
    assert not state.exists()
    assert at_work.exists()


def test_outputs_that_are_not_whole_are_part_of_nothing(project):
    """Neither for DVC, which would hash them with the folder around them, nor for git."""
    project.write(
        {"s": {"cmd": "mkdir -p out; touch out/.a.7.part; echo > out/a", "outs": ["out"]}}
    )
    project.dvc("repro")
    assert project.lock["stages"]["s"]["outs"][0]["nfiles"] == 1
    (project.root / ".b.8.part").touch()
    assert "part" not in project.run("git", "status", "--porcelain").stdout
