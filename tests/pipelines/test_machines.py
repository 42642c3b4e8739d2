"""Clones that share nothing but a remote, git, and for workers a Prefect server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from contextlib import suppress

import psutil
import pytest

from pipelines.execution.clone import project_id
from pipelines.flow import servers
from tests.conftest import Project

pytestmark = pytest.mark.slow

STAGES = {
    "first": {"cmd": "cat in > first", "deps": ["in"], "outs": ["first"]},
    "left": {"cmd": "cat first > left", "deps": ["first"], "outs": ["left"]},
    "right": {"cmd": "cat first > right", "deps": ["first"], "outs": ["right"]},
    "last": {
        "cmd": "cat left right > last",
        "deps": ["left", "right"],
        "outs": ["last"],
        "meta": {"gpu": 1},
    },
    "score": {"cmd": "wc -c < last > score", "deps": ["last"], "outs": ["score"]},
}


def commit(project):
    project.run("git", "add", "-A")
    project.run("git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x")


def clone(project, folder):
    subprocess.run(["git", "clone", "-q", project.root, folder], check=True)
    cloned = object.__new__(Project)
    cloned.root = folder
    return cloned


@pytest.fixture
def here(project, tmp_path):
    """A project with an input that DVC keeps."""
    project.write(STAGES)
    (project.root / "in").write_text("x")
    project.dvc("add", "in")
    return project


@pytest.fixture
def bucket(monkeypatch):
    """An S3 server on loopback."""
    import boto3
    from moto.server import ThreadedMotoServer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    address = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    boto3.client("s3", endpoint_url=address, region_name="us-east-1").create_bucket(Bucket="bucket")
    yield address
    server.stop()


def on_disk(project, tmp_path_factory, _):
    project.dvc("remote", "add", "-d", "there", str(tmp_path_factory.mktemp("remote")))


def on_s3(project, _, request):
    project.dvc("remote", "add", "-d", "there", "s3://bucket/gpt1")
    project.dvc("remote", "modify", "there", "endpointurl", request.getfixturevalue("bucket"))


@pytest.mark.parametrize("remote", [on_disk, on_s3])
def test_pushed_here_and_pulled_there_nothing_has_to_run(here, tmp_path_factory, remote, request):
    remote(here, tmp_path_factory, request)
    here.dvc("repro")
    commit(here)
    here.dvc("push")
    there = clone(here, tmp_path_factory.mktemp("clones") / "there")
    there.dvc("pull")
    assert there.gpt1("run").stdout.startswith("Nothing to do: all")
    assert (there.root / "last").read_text() == "xx"


@pytest.fixture(scope="module")
def server(tmp_path_factory, databases):
    root = tmp_path_factory.mktemp("server")
    shutil.copytree(databases, root, dirs_exist_ok=True)
    yield servers.start(root, "prefect", keep=True)
    servers.stop(root, "prefect")


def start(there, api, *command):
    return subprocess.Popen(
        ["gpt1", *command],
        cwd=there.root,
        env=there.environment | {"PREFECT_API_URL": api, "PREFECT_WORKER_QUERY_SECONDS": "1"},
        start_new_session=True,
        stdout=(there.root / f"{'-'.join(command)}.txt").open("w"),
        stderr=subprocess.STDOUT,
    )


IMPATIENT = """
from pipelines import cli
from pipelines.flow import polling
polling.SILENCE_SECONDS = 20  # four beats are missed by then
cli.main()
"""


def start_driver(project, api, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, "run", "--on-workers", *arguments],
        cwd=project.root,
        env=project.environment | {"PREFECT_API_URL": api},
        stdout=(project.root / "driver.txt").open("w"),
        stderr=subprocess.STDOUT,
    )


def family(process):
    return [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]


def kill(process):
    if process.poll() is None:
        for each in family(process):
            with suppress(psutil.NoSuchProcess):  # it ended with its parent
                each.kill()
    process.wait()


def query(api, what):
    request = urllib.request.Request(
        f"{api}/{what}/filter", b"{}", {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def deployments(api):
    return {each["name"] for each in query(api, "deployments")}


def flow_runs(api):
    """The names of all flow runs on workers, by pool."""
    found = defaultdict(set)
    for run in query(api, "flow_runs"):
        if run["work_pool_name"]:
            found[run["work_pool_name"]].add(run["name"])
    return found


DEADLY = """
import pathlib, psutil, signal, sys, time
folder = pathlib.Path(__file__).parent

def save(*_):
    time.sleep(1)
    (folder / "saved").touch()
    sys.exit(1)

signal.signal(signal.SIGTERM, save)
for process in psutil.Process().parents():
    if "pipelines.execution.reproduce" in process.cmdline():
        if len((folder / "deadly").read_text().split()) > 1:
            process.parent().kill()
time.sleep(600)
"""


def test_stages_on_workers_that_die_and_the_lock_file_is_that_of_repro(
    here, new_project, server, databases, tmp_path_factory
):
    """All is forced to run again. Two of the workers are in the driver's own project, and share its
    cache; the third is in a clone with edits. One that runs `right` is killed. That with `deadly`
    is told to end, and the next ones are killed by the stage.
    """
    here.lay_out(databases)
    on_disk(here, tmp_path_factory, None)
    began = tmp_path_factory.mktemp("began")
    sleeps_once = f"[ $(wc -l < {began}/right) -ne 2 ] || sleep 600"
    commands = {
        "right": f"{sleeps_once}; cat first > right",
        "deadly": f"python {began}/deadly.py",
    }
    (began / "deadly.py").write_text(DEADLY)
    here.write(
        {
            name: stage
            | {"cmd": f"echo {name} >> {began}/{name}; {commands.get(name, stage['cmd'])}"}
            for name, stage in (
                STAGES | {"deadly": {"cmd": "", "meta": {"gpu": 1, "grace": 60}}}
            ).items()
        }
    )
    here.dvc("repro", "score")
    expected = here.lock
    commit(here)
    there = clone(here, tmp_path_factory.mktemp("clones") / "there")
    mine = {"dvc.yaml": "an edit", "left": "an output", "notes": "a new file"}
    for name, text in mine.items():
        (there.root / name).write_text(text)
    here.dump({"a": 2}, "params.yaml")
    commit(here)
    for name in ("dvc.lock", "last"):
        (here.root / name).unlink()
    other = new_project()
    other.lay_out(databases)
    other.write(STAGES)
    commit(other)
    api = f"{server.address}/api"
    places = [(there, "cpu"), (here, "cpu"), (here, "gpu")]
    workers = [start(place, api, "work", pool) for place, pool in places]
    id, other_id = (project_id(each.root) for each in (here, other))
    try:
        workers.append(start(other, api, "serve"))
        while len(found := deployments(api)) < 3:
            time.sleep(0.5)
        assert found == {f"cpu-{id}", f"gpu-{id}", f"gpt1-{other_id}"}
        driver = start_driver(here, api, "--force", "score", "deadly")
        said = here.root / "driver.txt"
        while lines(began / "right") < 2 or lines(began / "deadly") < 1:
            assert driver.poll() is None, said.read_text()
            time.sleep(0.2)
        workers[2].terminate()
        assert workers[2].wait(timeout=500) == 128 + signal.SIGTERM
        assert (began / "saved").exists()
        workers[2] = start(here, api, "work", "gpu")
        [victim] = [worker for worker in workers[:2] if sleeping(worker)]
        kill(victim)
        alone = start_driver(other, api)
        assert alone.wait(timeout=500) == 1
        assert "start `gpt1 work cpu` in a clone" in (other.root / "driver.txt").read_text()
        assert driver.wait(timeout=500) == 1
        assert "deadly: its worker was interrupted" in said.read_text()
        assert "deadly was given up: 3 workers died while they ran it" in said.read_text()
    finally:
        for each in workers:
            kill(each)
    assert here.lock == expected, said.read_text()
    assert (here.root / "last").read_text() == "xx"
    runs = {"first": 2, "left": 2, "right": 3, "last": 2, "score": 2, "deadly": 4}
    assert {name: lines(began / name) for name in runs} == runs
    assert flow_runs(api) == {
        f"cpu-{id}": {"first", "left", "right"},
        f"gpu-{id}": {"last", "deadly"},  # score goes with last
    }
    assert {name: (there.root / name).read_text() for name in mine} == mine


def lines(file):
    return len(file.read_text().split()) if file.exists() else 0


def sleeping(worker):
    return any(p.name() == "sleep" for p in family(worker))


FOLLOW = r"""
import json, sqlite3, sys, threading, time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, LogCreate
from prefect.states import Cancelled, Completed, Running, Scheduled
from pipelines.flow import polling

paths = Counter()
count = {"request": [lambda request: paths.update([request.url.path.removeprefix("/api/")])]}
polling.get_client = partial(get_client, httpx_settings={"event_hooks": count})
polling.POLL_SECONDS, polling.SILENCE_SECONDS = 0.2, 8
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None, check_same_thread=False)

@flow
def waits(): ...

def lines(id, texts, start):
    client.create_logs([
        LogCreate(name="x", level=20, message=text, flow_run_id=id,
                  timestamp=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=start + n))
        for n, text in enumerate(texts)
    ])

def beat():
    # As the server would, if its clock were an hour late.
    for n in range(10_000):
        late = datetime.now(UTC) - timedelta(hours=1)
        for id in alive:
            database.execute("UPDATE artifact SET updated = ? WHERE flow_run_id = ?",
                             (late.strftime("%Y-%m-%d %H:%M:%S.%f"), str(id)))
        if over.wait(0.2):
            return

def followed(id):
    said = []
    ends[id] = said, runs.follow(id, said.append)

def wait_for(ids):
    while not ends.keys() >= {*ids}:
        time.sleep(0.05)

with get_client(sync_client=True) as client, ThreadPoolExecutor(100) as pool:
    ids = [client.create_flow_run(waits, state=Scheduled()).id for _ in range(100)]
    runs, ends, over = polling.FlowRuns(), {}, threading.Event()
    for id in ids:
        pool.submit(followed, id)
    while not paths:
        time.sleep(0.05)
    paths.clear()
    time.sleep(20 * polling.POLL_SECONDS)
    waiting = sum(paths.values()) / 20

    removed, dead, *alive = ids[:14]
    client.delete_flow_run(removed)
    for id in [dead, *alive]:
        client.create_artifact(ArtifactCreate(
            key=polling.heartbeat_key(id), type="markdown", data="{}", flow_run_id=id))
        client.set_flow_run_state(id, Running(), force=True)
    beating = threading.Thread(target=beat)
    beating.start()
    for id in alive:
        lines(id, [f"{n}" for n in range(450)], start=0)
    wait_for([removed, dead])
    paths.clear()
    while paths["flow_runs/count"] < 20:
        time.sleep(0.05)
    running = sum(paths.values()) / paths["flow_runs/count"]

    done = alive[:6]
    for id in done:
        lines(id, ["sent late by the worker"], start=440.5)
        lines(id, ["last"], start=500)
        client.set_flow_run_state(id, Completed(), force=True)
    wait_for(done)
    ended = len(ends)
    over.set()
    beating.join()
    client.delete_flow_run(ids[-1])
    runs.cancel()
    while sum(path.endswith("set_state") for path in paths) < 91:
        time.sleep(0.05)
    for id in alive[6:]:
        client.set_flow_run_state(id, Cancelled(), force=True)
    wait_for(ids)
    states = Counter(run.state.type.value for start in (0, 50) for run in client.read_flow_runs(
        flow_run_filter=polling._of(ids[start : start + 50])))
    runs.close()

print(json.dumps({
    "waiting": waiting, "running": running, "ended": ended, "states": states,
    "removed": ends[removed][1].message, "dead": ends[dead][1].message,
    "died": [n for n, id in enumerate(ids) if ends[id][1].fate != "ended"],
    "lines": [ends[id][0] for id in done],
}))
"""


def test_a_hundred_submitted_runs_cost_a_few_requests_a_poll_and_one_clock_tells_who_is_silent(
    server,
):
    home = psutil.Process(server.pid).environ()["PREFECT_HOME"]
    done = subprocess.run(
        [sys.executable, "-c", FOLLOW, f"{home}/prefect.db"],
        env=os.environ | {"PREFECT_API_URL": f"{server.address}/api"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["waiting"] < 2.5, "how many there are, and which left the queue"
    assert found["running"] <= 3 + 10, "the logs of ten at work, in turn"
    assert found["ended"] == 8
    assert found["removed"] == "its flow run was removed from the server"
    assert found["dead"].startswith("no heartbeat for ")
    assert found["died"] == [1]
    assert found["states"] == {"CANCELLED": 91, "COMPLETED": 6, "CRASHED": 1}
    for said in found["lines"]:
        assert sorted(said[:-1]) == sorted([*map(str, range(450)), "sent late by the worker"])
        assert said[-1] == "last"
