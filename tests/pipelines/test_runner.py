import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import psutil
import pytest

from pipelines.execution import gpus, interrupts, processes
from pipelines.execution.local import LocalExecutor
from pipelines.graph import graph, plan


class Heard:
    def __init__(self):
        self.lines, self.bars = [], []

    def line(self, stage, text):
        self.lines.append(text)

    def progress(self, stage, text):
        self.bars.append(text)


@pytest.fixture
def run(project):
    """Run the one stage of a project; what it did and what it said."""

    def run(name="s", force=False, runner=None):
        heard = Heard()
        repo = graph.open_project()
        stage = graph.load(repo).stages[name]
        if runner:
            return runner.run(stage, heard), heard
        with closing(LocalExecutor(repo, force=force)) as executor:
            return executor.run(stage, heard), heard

    return run


def python(code):
    return f'python -c "{code}"'


def test_every_line_reaches_the_listener_the_log_and_the_last_ones_the_outcome(project, run):
    project.write({"s": {"cmd": python("[print('line', i) for i in range(50)]")}})
    outcome, heard = run()
    lines = [f"line {i}" for i in range(50)]
    assert outcome.status == "ran"
    assert [line for line in heard.lines if line.startswith("line")] == lines
    assert [x for x in outcome.log.read_text().splitlines() if x.startswith("line")] == lines
    assert heard.lines.count("Running stage 's':") == 1
    assert "line 49" in outcome.tail
    assert "line 0" not in outcome.tail


def test_the_states_of_a_progress_bar_are_heard_as_they_come(project, run):
    bar = "import time; from tqdm import tqdm; [time.sleep(.02) for _ in tqdm(range(150))]"
    project.write({"s": {"cmd": python(bar)}})
    outcome, heard = run()
    assert len(heard.bars) >= 2
    assert all("/150 [" in bar for bar in heard.bars)
    assert sum("100%" in line for line in heard.lines) == 1
    assert outcome.log.read_text().count("%|") == 1


def test_what_did_not_change_is_unchanged_and_what_the_cache_has_is_restored(project, run):
    project.write({"s": {"cmd": "echo > out", "params": ["a"], "outs": ["out"]}})
    assert run()[0].status == "ran"
    assert run()[0].status == "unchanged"
    (project.root / "out").unlink()
    assert run()[0].status == "restored"
    assert run(force=True)[0].status == "ran"


def test_a_dep_that_is_not_there_is_named_and_costs_no_output(project, run):
    (project.root / "in").write_text("x")
    project.write({"s": {"cmd": "cat in > out", "deps": ["in"], "outs": ["out"]}})
    assert run()[0].status == "ran"
    (project.root / "in").unlink()
    outcome, _ = run()
    assert outcome.status == "failed"
    assert outcome.tail[-1].startswith("ERROR: in is not there, and s depends on it; put it there")
    assert (project.root / "out").read_text() == "x"


def test_dvc_checkout_has_back_what_a_stage_made_before_it_failed(project, run):
    fails = "test $(cat in) = x && cat in > out"
    (project.root / "in").write_text("x")
    project.write({"s": {"cmd": fails, "deps": ["in"], "outs": ["out"]}})
    assert run()[0].status == "ran"
    (project.root / "in").write_text("y")
    assert run()[0].status == "failed"
    assert not (project.root / "out").exists()
    project.dvc("checkout", "s")
    assert (project.root / "out").read_text() == "x"


def test_a_stage_that_fails_is_tried_again_as_often_as_its_needs_say(project, run):
    flaky = "echo >> tries; test $(wc -l < tries) = 3"
    project.write({"s": {"cmd": flaky, "meta": {"retries": 1}}})
    assert run()[0].status == "failed"
    assert run()[0].status == "ran"


def test_a_stage_that_takes_too_long_is_stopped_and_says_so(project, run):
    project.write({"s": {"cmd": "sleep 60", "meta": {"timeout": 2}}})
    outcome, _ = run()
    assert outcome.status == "failed"
    assert outcome.seconds < 10
    assert outcome.tail[-1] == "stopped after its time limit of 2 s"


def test_stages_find_the_python_of_this_project(project, run, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    project.write({"s": {"cmd": python("import sys; print(sys.prefix)")}})
    assert sys.prefix in run()[1].lines


def test_a_project_may_have_packages_of_our_names(project, run):
    for name in ("pipelines", "stages", "gpt1"):
        (project.root / name).mkdir()
        (project.root / name / "__init__.py").write_text("raise ImportError")
    project.write({"s": {"cmd": "true"}})
    assert run()[0].status == "ran"


@pytest.mark.parametrize("ignored", ["", "__pycache__"])
def test_a_package_among_the_deps_that_python_compiles_makes_no_stage_run_twice(
    project, run, monkeypatch, ignored
):
    """Where DVC ignores what Python writes there, Python keeps it."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    (project.root / ".dvcignore").write_text(ignored)
    (project.root / "words").mkdir()
    (project.root / "words" / "__init__.py").write_text("")
    project.write({"s": {"cmd": python("import words"), "deps": ["words"]}})
    assert run()[0].status == "ran"
    assert run()[0].status == "unchanged"
    assert (project.root / "words" / "__pycache__").exists() is bool(ignored)


def test_a_stage_that_ends_while_dvc_is_locked_for_long_is_not_thrown_away(project, run):
    """DVC alone gives up its lock after 3 s, also after the work."""
    project.write({"s": {"cmd": "touch began; sleep 1; echo > s", "outs": ["s"]}})
    repo, outcomes = graph.open_project(), []
    running = threading.Thread(target=lambda: outcomes.append(run()[0].status))
    running.start()
    while not (project.root / "began").exists():
        time.sleep(0.05)
    with repo.lock:
        time.sleep(6)
    running.join()
    assert outcomes == ["ran"]
    assert set(project.lock["stages"]) == {"s"}


def test_words_of_dvc_in_the_output_of_a_stage_are_no_outcome(project, run):
    said = "echo \"Stage 's' is cached - skipping run\"; echo \"Stage 's' didn't change, skipping\""
    project.write({"s": {"cmd": f"{said}; echo > s", "outs": ["s"]}})
    assert run()[0].status == "ran"


def test_a_process_that_a_stage_leaves_running_is_named_and_ended_and_holds_nothing(project, run):
    """In a session of its own, with the output of the stage open."""
    project.write({"s": {"cmd": "setsid sleep 64 & echo > s", "outs": ["s"]}})
    outcome, heard = run()
    assert outcome.status == "ran"
    assert outcome.seconds < 20
    assert any("s left the process sleep (" in line for line in heard.lines)
    [pid] = [int(line.split("(")[1].split(")")[0]) for line in heard.lines if "sleep (" in line]
    assert not psutil.pid_exists(pid)


def test_what_was_continued_by_order_is_recorded_and_stays_out_of_the_run_cache(project, run):
    """Who never gave the order must not be given its result."""
    project.write({"s": {"cmd": CONTINUED, "deps": ["dep"], "outs": ["s"]}})
    (project.root / "dep").write_text("by order")
    assert run()[0].status == "ran"
    assert set(project.lock["stages"]) == {"s"}
    assert not (project.root / ".dvc/cache/runs").exists()
    (project.root / "dep").write_text("plain")
    assert run()[0].status == "ran"
    assert (project.root / ".dvc/cache/runs").exists()
    (project.root / "dep").write_text("by order")
    assert run()[0].status == "ran"
    (project.root / "dep").write_text("plain")
    assert run()[0].status == "restored"


CONTINUED = 'cp dep s; grep -q plain dep || touch "$GPT1_CONTINUED"'


def edited(project, run, **change):
    """What a stage says while its `dep` or its param `a` gets another value."""
    (project.root / "dep").write_text("before")
    project.write(
        {
            "s": {
                "cmd": "touch began; while test -e began; do sleep 0.1; done; echo > s",
                "deps": ["dep"],
                "params": ["a"],
                "outs": ["s"],
            }
        }
    )
    ended = []
    thread = threading.Thread(target=lambda: ended.append(run()))
    thread.start()
    while not (project.root / "began").exists():
        time.sleep(0.05)
    if "dep" in change:
        (project.root / "dep").write_text(change["dep"])
    if "a" in change:
        project.dump({"a": change["a"]}, "params.yaml")
    (project.root / "began").unlink()
    thread.join()
    [(outcome, heard)] = ended
    assert outcome.status == "ran"
    return [line for line in heard.lines if "was edited while s ran" in line]


def reasons():
    return [str(reason) for reason in plan.build_plan(graph.open_project()).reasons.get("s", [])]


def test_a_param_edited_while_a_stage_runs_is_named_and_recorded_as_it_was(project, run):
    [said] = edited(project, run, a=2)
    assert said.startswith("params.yaml: a was edited while s ran")
    assert project.lock["stages"]["s"]["params"] == {"params.yaml": {"a": 1}}
    assert reasons() == ["param a: 1 -> 2"]
    project.dump({"a": 1}, "params.yaml")
    assert reasons() == []


def test_an_edit_that_is_undone_before_the_end_is_an_edit(project, run):
    (project.root / "dep").write_text("a")
    reads = "sleep 0.5; cat dep > s; echo a > dep"  # as someone who switches to a branch and back
    project.write({"s": {"cmd": f"echo b > dep; {reads}", "deps": ["dep"], "outs": ["s"]}})
    assert any("dep was edited while s ran" in line for line in run()[1].lines)
    assert reasons() == ["stage was never run here"]


def test_a_stage_of_ours_reads_the_params_that_its_entry_has(project, run):
    project.write({"s": {"cmd": "sleep 1; cp $GPT1_PARAMS s", "params": ["a"], "outs": ["s"]}})
    thread = threading.Thread(target=run)
    thread.start()
    wait = project.root / ".work/sessions"
    while not (wait.exists() and any(wait.iterdir())):
        time.sleep(0.05)
    time.sleep(0.8)
    project.dump({"a": 2}, "params.yaml")
    thread.join()
    assert project.read("s") == {"a": project.lock["stages"]["s"]["params"]["params.yaml"]["a"]}


def test_a_stage_that_is_asked_to_end_and_ends_well_half_done_is_not_recorded(project, run):
    half = "trap 'exit 0' TERM; echo half > s; sleep 30 & wait; echo whole >> s"
    (project.root / "s.sh").write_text(half)
    project.write({"s": {"cmd": "bash s.sh", "outs": ["s"], "meta": {"timeout": 2, "grace": 2}}})
    outcome, _ = run()
    assert outcome.status == "failed"
    assert outcome.tail[-1] == "stopped after its time limit of 2 s"
    assert reasons() == ["stage was never run here"]
    assert not list((project.root / ".dvc/cache").glob("runs/*/*"))


def test_a_stage_that_signals_its_process_group_takes_no_other_with_it(project):
    group = "trap 'trap \"\" TERM; kill 0' EXIT; sleep 100 & echo > a"
    (project.root / "a.sh").write_text(group)
    project.write(
        {
            "a": {"cmd": "bash a.sh; true", "outs": ["a"]},
            "b": {"cmd": "cat a > b", "deps": ["a"], "outs": ["b"]},
        }
    )
    repo = graph.open_project()
    stages = graph.load(repo).stages
    with closing(LocalExecutor(repo)) as executor:
        executor.run(stages["a"], Heard())
        assert executor.run(stages["b"], Heard()).status == "ran"


def test_two_dvcs_do_not_run_a_stage_at_the_same_time(project, run):
    project.write({"s": {"cmd": "touch began; sleep 3; echo > s", "outs": ["s"]}})
    ended = []
    thread = threading.Thread(target=lambda: ended.append(run()[0].status))
    thread.start()
    while not (project.root / "began").exists():
        time.sleep(0.05)
    assert "is busy" in project.dvc("repro", check=False).stderr
    thread.join()
    assert ended == ["ran"]


@pytest.mark.parametrize("undone", [True, False])
def test_what_was_made_while_a_dep_was_edited_is_not_recorded(project, run, undone):
    [said] = edited(project, run, dep="after")
    assert said.startswith("dep was edited while s ran")
    if undone:  # nobody knows which content was read
        (project.root / "dep").write_text("before")
    assert reasons() == ["stage was never run here"]
    project.dvc("commit", "--force", "s")
    assert reasons() == []


def test_without_an_edit_nothing_is_said_of_one(project, run):
    assert edited(project, run) == []
    assert reasons() == []


@pytest.mark.parametrize("fault", ["listener", "disk"])
def test_a_stage_ends_well_when_nobody_listens_or_the_disk_of_the_log_is_full(project, run, fault):
    project.write({"s": {"cmd": python("print('x' * 200000)") + "; echo > s", "outs": ["s"]}})
    repo = graph.open_project()

    class Deaf:
        def line(self, stage, text):
            raise BrokenPipeError

    heard = Deaf() if fault == "listener" else Heard()
    if fault == "disk":
        (project.root / ".work/logs").mkdir(parents=True)
        (project.root / ".work/logs/s.txt").symlink_to("/dev/full")
    with closing(LocalExecutor(repo)) as executor:
        outcome = executor.run(graph.load(repo).stages["s"], heard)
    assert outcome.status == "ran"
    if fault == "disk":
        assert "the log ends here: [Errno 28] No space left on device" in heard.lines


def test_any_character_reaches_the_log_and_a_terminal_that_knows_ascii_alone(project):
    said = "\N{FULL BLOCK} \N{LATIN SMALL LETTER E WITH ACUTE}"
    project.write({"s": {"cmd": f"echo '{said}'; echo > s", "outs": ["s"]}})
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        env=project.environment | plain,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "? ?" in done.stdout
    assert said in (project.root / ".work/logs/s.txt").read_text("utf-8")


STUBBORN = "trap '' TERM; echo ready; while true; do sleep 0.1; done"


@pytest.mark.parametrize("command", ["sleep 61 & sleep 61", f'bash -c "{STUBBORN}"'])
def test_cancel_ends_a_stage_with_all_its_children_within_its_grace(project, run, command):
    project.write({"s": {"cmd": command, "outs": ["out"], "meta": {"grace": 1}}})
    runner, done, others = LocalExecutor(graph.open_project()), [], set(descendants())
    thread = threading.Thread(target=lambda: done.append(run(runner=runner)[0]))
    thread.start()
    while not any("sleep" in p.name() for p in descendants()):
        time.sleep(0.1)
    started = time.monotonic()
    runner.cancel()
    thread.join(timeout=20)
    assert done[0].status == "cancelled"
    assert time.monotonic() - started < 4
    assert set(descendants()) <= others
    waiting = [t for t in threading.enumerate() if isinstance(t, threading.Timer)]
    for timer in waiting:
        timer.join(timeout=5)
    assert not any(timer.is_alive() for timer in waiting), "a driver that ends would wait for it"
    assert run(runner=runner)[0].status == "cancelled"  # and nothing starts after it


def descendants():
    return [p for p in psutil.Process().children(recursive=True) if p.status() != "zombie"]


@pytest.mark.parametrize("command", ["exec python saves.py", "python saves.py && true"])
def test_a_stage_that_saves_its_state_has_the_time_it_asks_for_whoever_else_cancels(
    project, run, command
):
    # the second command has a shell as its parent, which ends first
    saves = (
        "import signal, sys, time\n"
        "def save(*_):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
        "    time.sleep(2); open('saved', 'w'); sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, save); open('ready', 'w'); time.sleep(60)\n"
    )
    (project.root / "saves.py").write_text(saves)
    project.write({"s": {"cmd": command, "meta": {"grace": 30}}})
    runner, done = LocalExecutor(graph.open_project()), []
    thread = threading.Thread(target=lambda: done.append(run(runner=runner)[0]))
    thread.start()
    while not (project.root / "ready").exists():
        time.sleep(0.1)
    with interrupts.handle_interrupts(runner):
        runner.cancel()  # the UI is heard first, then the signal that comes with it
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            time.sleep(0.2)
            os.kill(os.getpid(), number)
        thread.join()
    assert (project.root / "saved").exists()
    assert done[0].seconds < 20


def test_a_second_ctrl_c_ends_a_stage_at_once(project, run):
    project.write({"s": {"cmd": f'bash -c "{STUBBORN}"', "meta": {"grace": 300}}})
    runner, done = LocalExecutor(graph.open_project()), []
    thread = threading.Thread(target=lambda: done.append(run(runner=runner)[0]))
    thread.start()
    while not any("sleep" in p.name() for p in descendants()):
        time.sleep(0.1)
    with interrupts.handle_interrupts(runner):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        thread.join(timeout=20)
    assert done[0].status == "cancelled"


def test_stages_side_by_side_have_a_gpu_each(project, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.setattr(gpus, "here", lambda: ["3", "5"])  # on a machine where none computes
    waits = "echo $CUDA_VISIBLE_DEVICES > ${item.s}; sleep 3"
    asks = {"matrix": {"s": ["a", "b"]}, "cmd": waits, "meta": {"gpu": 1}}
    project.write(
        {"s": asks | {"outs": ["${item.s}"]}, "c": {"cmd": "echo $CUDA_VISIBLE_DEVICES > c"}}
    )
    stages, runner = graph.load(graph.open_project()).stages, LocalExecutor(graph.open_project())
    threads = [
        threading.Thread(target=runner.run, args=(stage, Heard())) for stage in stages.values()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [(project.root / name).read_text().strip() for name in "abc"]
    assert sorted(seen[:2]) == ["3", "5"]
    assert seen[2] == "3,5", "who asks for none sees all"


DRIVER = """
from pipelines.execution.local import LocalExecutor
from pipelines.flow.terminal import Terminal
from pipelines.graph import graph, plan
repo = graph.open_project()
LocalExecutor(repo).run(graph.load(repo).stages["s"], Terminal())
"""


def test_when_its_driver_is_killed_a_stage_saves_its_state_and_all_its_processes_end(project):
    saves = (
        "import pathlib, signal, sys\n"
        "def save(*_):\n"
        "    print('saving', flush=True); pathlib.Path('saved').touch(); sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, save); pathlib.Path('out').touch(); signal.pause()\n"
    )
    (project.root / "saves.py").write_text(saves)
    project.write({"s": {"cmd": "python saves.py", "outs": ["out"], "meta": {"grace": 30}}})
    session = killed_driver(project)
    while processes.members(session):
        time.sleep(0.1)
    assert (project.root / "saved").exists()


def killed_driver(project):
    """Kill a driver once the stage `s` has made `out`; returns the session of its stage."""
    driver = project.start(sys.executable, "-c", DRIVER)
    while not (project.root / "out").exists():
        time.sleep(0.1)
    [note] = (project.root / ".work" / "sessions").iterdir()
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    return int(note.name)


def test_what_a_killed_driver_left_behind_is_ended_and_nothing_else(project):
    """Here the process that would end its stage is stopped."""
    project.write({"s": {"cmd": "kill -STOP $PPID; echo > out; sleep 62", "outs": ["out"]}})
    session = killed_driver(project)
    [note] = (project.root / ".work" / "sessions").iterdir()
    assert processes.members(session)
    (note.parent / str(os.getsid(0))).write_text('{"started": 1.0, "grace": 0}')  # of another boot
    processes.end_orphans(project.root)
    assert not processes.members(int(note.name))
    assert processes.members(os.getsid(0))
    assert not list(note.parent.iterdir())
