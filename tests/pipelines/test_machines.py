"""Clones that share nothing but a remote, git, and for workers a Prefect server."""

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict

import psutil
import pytest

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


@pytest.fixture
def server(tmp_path_factory, databases):
    root = tmp_path_factory.mktemp("server")
    shutil.copytree(databases, root, dirs_exist_ok=True)
    yield servers.start(root, "prefect", keep=True)
    servers.stop(root, "prefect")


def worker(there, pool, api):
    return subprocess.Popen(
        ["gpt1", "work", pool],
        cwd=there.root,
        env=there.environment | {"PREFECT_API_URL": api, "PREFECT_WORKER_QUERY_SECONDS": "1"},
        start_new_session=True,
        stdout=(there.root / f"worker-{pool}.txt").open("w"),
        stderr=subprocess.STDOUT,
    )


IMPATIENT = """
from pipelines import cli
from pipelines.flow import polling
polling.SILENCE_SECONDS = 20  # four beats are missed by then
cli.main()
"""


class Driver:
    """A `gpt1 run --on-workers` that is at work."""

    def __init__(self, project, api, *arguments):
        self._output = project.root / "driver.txt"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", IMPATIENT, "run", "--on-workers", *arguments],
                cwd=project.root,
                env=project.environment | {"PREFECT_API_URL": api},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self):
        return self._output.read_text()

    def wait_for(self, file):
        while not file.exists():
            assert self.process.poll() is None, self.output
            time.sleep(0.2)


def family(process):
    return [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]


def kill(process):
    if process.poll() is None:
        for each in family(process):
            each.kill()
    process.wait()


def flow_runs(api):
    """The names of all flow runs on workers, by pool."""
    request = urllib.request.Request(
        f"{api}/flow_runs/filter", b"{}", {"Content-Type": "application/json"}
    )
    found = defaultdict(set)
    with urllib.request.urlopen(request) as answer:
        for run in json.load(answer):
            if run["work_pool_name"]:
                found[run["work_pool_name"]].add(run["name"])
    return found


DEADLY = """
import psutil, time
for process in psutil.Process().parents():
    if "pipelines.execution.reproduce" in process.cmdline():
        process.parent().kill()
        time.sleep(600)
"""


def test_stages_on_workers_that_die_and_the_lock_file_is_that_of_repro(
    here, server, databases, tmp_path_factory
):
    """One worker is killed, one has a clone with edits, two are in the driver's own project."""
    here.lay_out(databases)
    on_disk(here, tmp_path_factory, None)
    began = tmp_path_factory.mktemp("began")
    waits = f"echo began >> {began}/right; [ $(wc -l < {began}/right) -gt 1 ] || sleep 600"
    deadly = f"echo began >> {began}/deadly; python {began}/deadly.py"
    (began / "deadly.py").write_text(DEADLY)
    here.write(
        STAGES
        | {
            "first": STAGES["first"] | {"cmd": f"echo began >> {began}/first; cat in > first"},
            "right": STAGES["right"] | {"cmd": f"{waits}; cat first > right"},
            "deadly": {"cmd": deadly, "meta": {"gpu": 1}},
        }
    )
    commit(here)
    there = clone(here, tmp_path_factory.mktemp("clones") / "there")
    mine = {"dvc.yaml": "an edit", "left": "an output", "notes": "a new file"}
    for name, text in mine.items():
        (there.root / name).write_text(text)
    here.dump({"a": 2}, "params.yaml")
    commit(here)
    api = f"{server.address}/api"
    missing = here.run("env", f"PREFECT_API_URL={api}", "gpt1", "run", "--on-workers", check=False)
    assert "start `gpt1 work cpu` in a clone" in missing.stderr.splitlines()[-1]
    workers = [worker(there, "cpu", api), worker(here, "cpu", api), worker(here, "gpu", api)]
    try:
        wait_for_pools(api, 2)
        driver = Driver(here, api, "score")
        driver.wait_for(began / "right")
        [victim] = [worker for worker in workers if sleeping(worker)]
        kill(victim)
        assert driver.process.wait(timeout=500) == 0, driver.output
        assert len((began / "right").read_text().split()) == 2
        project = here.run("git", "rev-list", "--max-parents=0", "HEAD").stdout[:8]
        assert flow_runs(api) == {
            f"cpu-{project}": {"first", "left", "right"},
            f"gpu-{project}": {"last"},  # score goes with it
        }
        assert {name: (there.root / name).read_text() for name in mine} == mine
        assert (here.root / "last").read_text() == "xx"
        after = here.lock

        driver = Driver(here, api, "--force", "first", "deadly")
        assert driver.process.wait(timeout=500) == 1
        assert len((began / "first").read_text().split()) == 2, driver.output
        assert len((began / "deadly").read_text().split()) == 3, driver.output
        assert "deadly was given up: 3 workers died while they ran it" in driver.output
    finally:
        for each in workers:
            kill(each)
    (here.root / "dvc.lock").unlink()
    here.dvc("repro", "--force", "score")
    assert after == here.lock


def wait_for_pools(api, count):
    """Wait until the workers have made as many deployments."""
    request = urllib.request.Request(
        f"{api}/deployments/count", b"{}", {"Content-Type": "application/json"}
    )
    while True:
        with urllib.request.urlopen(request) as answer:
            if json.load(answer) == count:
                return
        time.sleep(0.5)


def sleeping(worker):
    return any(p.name() == "sleep" for p in family(worker))
