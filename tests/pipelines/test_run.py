"""`gpt1 run` as people start it: a process of its own, real DVC, Prefect and MLflow."""

import hashlib
import json
import shutil
import signal
import subprocess
import time
import urllib.request
from contextlib import suppress
from types import SimpleNamespace

import psutil
import pytest

from pipelines.execution import lockfile, processes
from pipelines.flow import servers
from pipelines.history.records import Records, inputs_of, outputs_of

pytestmark = pytest.mark.slow

STAGES = {
    "first": {"cmd": "cat in > first; echo said by first", "deps": ["in"], "outs": ["first"]},
    "left": {"cmd": "cat first > left", "deps": ["first"], "outs": ["left"]},
    "right": {"cmd": "cat first > right", "deps": ["first"], "params": ["a"], "outs": ["right"]},
    "last": {"cmd": "cat left right > last", "deps": ["left", "right"], "outs": ["last"]},
}
TRACKED = """
import shutil
from stages import tracking
with tracking.run():
    shutil.copy("in", "out")
"""


def commit(project):
    project.run("git", "add", "-A")
    project.run("git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x")


def begun(project):
    (project.root / "in").write_text("x")
    project.write(STAGES)
    return project


@pytest.fixture
def fresh(project):
    return begun(project)


@pytest.fixture
def small(fresh, databases):
    fresh.lay_out(databases)
    return fresh


@pytest.fixture(scope="module")
def note(tmp_path_factory, databases):
    """A Prefect server for all tests of this module, as the note that `gpt1 up` leaves."""
    root = tmp_path_factory.mktemp("server")
    shutil.copytree(databases, root, dirs_exist_ok=True)
    servers.start(root, "prefect", keep=True)
    yield root / ".work/servers/prefect.json"
    servers.stop(root, "prefect")


@pytest.fixture
def server(small, note):
    return Server(small, note)


class Server:
    """The one of `note`, in the hands of a project."""

    def __init__(self, project, note):
        from prefect.client.orchestration import SyncPrefectClient

        (project.root / ".work/servers").mkdir(parents=True)
        shutil.copy(note, project.root / ".work/servers")
        port = json.loads(note.read_text())["port"]
        self.client = SyncPrefectClient(f"http://127.0.0.1:{port}/api")

    def last_run(self):
        runs = self.client.read_flow_runs(limit=1, sort="START_TIME_DESC")
        return runs[0] if runs else None

    def tasks(self):
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

        run = FlowRunFilter(id=FlowRunFilterId(any_=[self.last_run().id]))
        return {t.name: t.state for t in self.client.read_task_runs(flow_run_filter=run)}

    def task_states(self):
        return {name: state.name for name, state in self.tasks().items()}


def wait_for(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_run_leaves_the_lock_file_of_dvc_repro_and_then_finds_nothing_to_do(fresh):
    """In a project where neither Prefect nor MLflow was ever there."""
    fresh.gpt1("run", check=False)  # no results to show
    lock = fresh.lock
    assert set(lock["stages"]) == set(STAGES)
    assert "said by first" in (fresh.root / ".work/logs/first.txt").read_text()
    assert fresh.gpt1("run", check=False).stdout.startswith("Nothing to do: all 4 stages")
    assert "is down" in fresh.gpt1("status").stdout
    (fresh.root / "dvc.lock").unlink()
    fresh.dvc("repro", "--force")
    assert fresh.lock == lock


@pytest.fixture(scope="module")
def twice(new_project, databases, note):
    """A whole run, and one in which a stage fails, one is restored and two are as they were."""
    project = begun(new_project())
    project.lay_out(databases)
    server = Server(project, note)
    (project.root / "copies.py").write_text(TRACKED)
    stages = STAGES | {"s": {"cmd": "python copies.py", "deps": ["in"], "outs": ["out"]}}
    project.write(stages)
    commit(project)
    project.gpt1("run", check=False)
    whole = server.task_states()
    [run] = Records(project.root).runs("tags.stage = 's'")
    [pipeline] = Records(project.root).runs("tags.stage = 'pipeline'")
    lock = project.lock["stages"]
    (project.root / "right").unlink()  # the cache has it
    fails = {"cmd": "echo its last words; exit 3", "deps": ["first", "out"]}
    project.write(stages | {"left": STAGES["left"] | fails})
    done = project.gpt1("run", check=False)
    return SimpleNamespace(
        whole=whole,
        run=run,
        pipeline=pipeline,
        lock=lock,
        done=done,
        tasks=server.tasks(),
        state=server.last_run().state,
    )


def test_the_ui_shows_what_ran_was_restored_cached_and_failed(twice):
    assert twice.whole == dict.fromkeys([*STAGES, "s"], "Completed")
    assert {name: state.name for name, state in twice.tasks.items()} == {
        "first": "Cached",
        "left": "Failed",
        "right": "Restored",
        "s": "Cached",
    }
    assert twice.state.name == "Failed"
    assert twice.done.returncode == 1
    for part in ("left failed", "its last words", ".work/logs/left.txt", "gpt1 run"):
        assert part in twice.done.stdout


def test_what_a_run_read_and_made_is_in_mlflow_and_cached_stages_link_to_it(twice):
    run, lock = twice.run, twice.lock["s"]
    assert inputs_of(run) == {"in": lock["deps"][0]["md5"]}
    assert outputs_of(run) == {"out": lock["outs"][0]["md5"]}
    datasets = {i.dataset.name: i.dataset.digest for i in run.inputs.dataset_inputs}
    assert datasets == inputs_of(run) | outputs_of(run)
    assert run.data.tags["mlflow.parentRunId"] == twice.pipeline.info.run_id
    assert twice.pipeline.info.status == "FINISHED"
    assert run.info.run_id in twice.tasks["s"].message


def test_the_run_of_the_pipeline_has_the_commit_of_its_stages(twice):
    commit = "mlflow.source.git.commit"
    assert twice.pipeline.data.tags[commit] == twice.run.data.tags[commit]
    assert twice.pipeline.data.tags["git.dirty"] == "false"  # as the run began


def test_cancelled_every_child_ends_and_the_next_run_goes_on(small, server):
    from prefect.states import Cancelling

    slow = STAGES["right"] | {"cmd": "echo > began; sleep 63 & sleep 63; cat first > right"}
    small.write(STAGES | {"right": slow})

    def cancelled(cancel):
        """Start a run and cancel it while `right` is at work."""
        (small.root / "began").unlink(missing_ok=True)
        driver = small.start("gpt1", "run")
        wait_for((small.root / "began").exists)
        wait_for(lambda: "left" in lockfile.entries(small.root))
        children = psutil.Process(driver.pid).children(recursive=True)
        assert "sleep" in {child.name() for child in children}
        second = small.gpt1("run", check=False)
        assert second.stderr.startswith("error: another `gpt1 run` is at work here")
        started = time.monotonic()
        cancel(driver)
        psutil.wait_procs(children, timeout=30)
        assert time.monotonic() - started < 8  # 5 s, and some for a machine that is busy
        assert driver.wait(timeout=60) == 130
        assert server.last_run().state.name == "Cancelled"
        assert not any(child.is_running() for child in children)
        assert set(small.lock["stages"]) == {"first", "left"}
        assert not (small.root / "right").exists()

    cancelled(lambda driver: driver.send_signal(signal.SIGHUP))  # Ctrl-C has the same handler
    in_the_ui = server.client.set_flow_run_state
    cancelled(lambda driver: in_the_ui(server.last_run().id, Cancelling()))
    small.write(STAGES)
    small.gpt1("run", check=False)
    assert set(small.lock["stages"]) == set(STAGES)


SLOWER = {name: stage | {"cmd": f"sleep 0.5; {stage['cmd']}"} for name, stage in STAGES.items()}
VICTIMS = ("driver", "stage", "process", "server")


def test_killed_again_and_again_the_next_run_ends_in_the_lock_file_of_an_undisturbed_one(small):
    small.write(SLOWER)
    servers.start(small.root, "prefect", keep=True)  # spares each run the seconds of its own
    for number, victim in enumerate(VICTIMS):
        (small.root / "in").write_text(str(number))  # every stage has to run again
        driver = small.start("gpt1", "run")
        find(victim, small, driver).kill()
        driver.wait(timeout=120)
        if victim != "server":  # one that dies is started again
            small.gpt1("run", check=False)
        wait_for(lambda: not left_in(small.root), seconds=20)
        assert contents(small.lock) == dict.fromkeys(STAGES, str(number)) | {
            "last": f"{number}" * 2
        }
    servers.stop(small.root, "prefect")
    assert not list((small.root / ".work/sessions").iterdir())


def contents(lock):
    """Stage -> the content of its output, where that is one or two digits."""
    known = {hashlib.md5(text.encode()).hexdigest(): text for text in map(str, range(100))}
    known |= {hashlib.md5(f"{n}{n}".encode()).hexdigest(): f"{n}{n}" for n in range(10)}
    return {name: known.get(stage["outs"][0]["md5"]) for name, stage in lock["stages"].items()}


def find(victim, project, driver):
    """The process to kill, once the command of a stage runs."""
    found = {"driver": [psutil.Process(driver.pid)]}

    def at_work():
        with suppress(psutil.NoSuchProcess):
            children = found["driver"][0].children()
            found["process"] = [
                p for p in children if "pipelines.execution.reproduce" in p.cmdline()
            ]
            found["stage"] = [child for p in found["process"] for child in p.children()]
        return found.get("stage")

    wait_for(at_work)
    if victim == "server":
        note = project.root / ".work/servers/prefect.json"
        return psutil.Process(json.loads(note.read_text())["pid"])
    return found[victim][0]


def test_the_page_in_the_browser_asks_the_server_it_came_from(server):
    address = str(server.client.api_url)
    with urllib.request.urlopen(address.replace("/api", "/ui-settings").rstrip("/")) as page:
        assert json.load(page)["api_url"] == address.rstrip("/")


@pytest.mark.parametrize("command", [["run"], ["up", "--prefect-port", "0", "--mlflow-port", "0"]])
def test_ended_while_a_server_starts_nothing_is_left_of_it(small, command):
    driver = small.start("gpt1", *command)
    note = small.root / ".work/servers/prefect.json"
    wait_for(note.exists)
    server = psutil.Process(json.loads(note.read_text())["pid"])
    driver.send_signal(signal.SIGTERM)
    assert driver.wait(timeout=60) != 0
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    assert not list(note.parent.glob("*.json")), "nor of another that was about to start"


def test_a_schedule_that_is_none_is_refused_before_a_server_starts(small):
    said = small.gpt1("serve", "--cron", "banana", check=False)
    assert said.stderr.startswith("error: --cron 'banana' is not a cron schedule")
    assert not (small.root / ".work/servers").exists()


def test_two_up_at_once_share_servers_that_listen_on_loopback_alone_until_down(small):
    command = ["gpt1", "up", "--prefect-port", "0", "--mlflow-port", "0"]
    both = [small.start(*command, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        first, second = [each.communicate()[0] for each in both]
        assert "http://127.0.0.1:" in first
        assert first == second
        members = [
            process
            for kind in servers.KINDS
            for process in processes.members(servers.running(small.root, kind).pid)
        ]
        sockets = [socket for p in members for socket in p.net_connections("inet")]
        listening = [s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN]
        assert {*listening} == {"127.0.0.1"}
        assert len({s.laddr.port for s in sockets if s.status == psutil.CONN_LISTEN}) == 2
    finally:
        small.gpt1("down")
    wait_for(lambda: not left_in(small.root), seconds=20)


def left_in(root):
    """The processes that work in a folder, without this one and a Prefect server."""
    server = servers.running(root, "prefect")
    others = {psutil.Process(), *(processes.members(server.pid) if server else [])}
    found = set()
    for process in {*psutil.process_iter()} - others:
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(root):
                found.add(process)
    return found


def test_when_the_reader_of_its_output_ends_a_run_goes_on_to_its_end(small, server):
    done = small.run("sh", "-c", "gpt1 run | head -n 1", check=False)
    assert done.stdout == "4 stages to run or check; starting Prefect.\n"
    assert "Traceback" not in done.stderr
    assert set(small.lock["stages"]) == set(STAGES)
    assert server.last_run().state.name == "Completed"


def test_served_a_run_starts_from_the_ui_with_parameters_of_a_described_form(small, server):
    serving = small.start("gpt1", "serve")
    try:
        wait_for(server.client.read_deployments)
        [deployment] = server.client.read_deployments()
        form = deployment.parameter_openapi_schema["properties"]
        assert "Stages to end with" in form["targets"]["description"]
        assert all(field["description"] for field in form.values())
        server.client.create_flow_run_from_deployment(
            deployment.id, parameters={"targets": ["left"], "workers": 1}
        )
        wait_for(lambda: server.last_run() and server.last_run().state.is_final())
        assert server.last_run().state.name == "Completed"
        assert set(small.lock["stages"]) == {"first", "left"}
    finally:
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(timeout=60) == 0
