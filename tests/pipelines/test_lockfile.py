"""What a DVC that was killed while it wrote leaves behind, and what the next driver makes of it."""

import json
import os

import psutil
import pytest

from pipelines.execution import lockfile, workspace
from pipelines.graph import graph

STAGES = {
    f"s{n}": {"cmd": f"echo {n} > o{n}", "params": ["a"], "outs": [f"o{n}"]} for n in range(3)
}


@pytest.fixture
def built(project):
    project.write(STAGES)
    project.dvc("repro")
    return project


def test_cut_anywhere_by_a_kill_the_lock_file_comes_back_whole(built):
    repo, file = graph.open_project(), built.root / "dvc.lock"
    text, before = file.read_text(), built.lock
    lockfile.repair_and_backup(repo)
    last = text.rindex("s2:") + len("s2:")
    # After a whole line of the last entry the file reads as a whole one, and `guard` cannot tell.
    inside = (end for end in range(last, len(text), 3) if text[end - 1] != "\n")
    for end in [*range(0, last, 7), *inside, len(text) - 1]:
        file.write_text(text[:end])
        lockfile.repair_and_backup(repo)
        assert built.lock == before, end


def test_what_ended_since_the_copy_stays_and_the_cut_entry_is_the_old_one(built):
    repo, file = graph.open_project(), built.root / "dvc.lock"
    lockfile.repair_and_backup(repo)
    before = built.lock["stages"]
    built.write(STAGES, a=2)
    built.dvc("repro")
    file.write_text(file.read_text()[:-8])
    lockfile.repair_and_backup(repo)
    after = built.lock["stages"]
    assert after["s0"]["params"] == {"params.yaml": {"a": 2}}
    assert after["s2"] == before["s2"]


def test_between_runs_entries_may_go(built):
    with workspace.exclusive_lock(graph.open_project()):
        pass
    (built.root / "dvc.lock").unlink()
    with workspace.exclusive_lock(graph.open_project()):
        assert not (built.root / "dvc.lock").exists()


@pytest.mark.parametrize("left", ["{", None])
def test_a_cut_or_dead_note_of_who_reads_what_stops_no_later_dvc(built, left):
    note = built.root / ".dvc/tmp/rwlock"
    ours = {"pid": psutil.Process(os.getppid()).pid, "cmd": "dvc repro"}  # a number used again
    note.write_text(left or json.dumps({"read": {}, "write": {f"{built.root}/o0": ours}}))
    (built.root / "o0").unlink()
    assert built.dvc("repro", "s0", check=False).returncode  # what is mended
    with workspace.exclusive_lock(graph.open_project()):
        built.dvc("repro", "s0")
