"""Clones that share nothing but a remote, git, and for workers a Prefect server."""

import json
import shutil
import subprocess
import sys
import time
import urllib.request

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
        stdout=(there.root / "worker.txt").open("w"),
        stderr=subprocess.STDOUT,
    )


IMPATIENT = """
from pipelines import cli
from pipelines.flow import pools
pools.SILENCE_SECONDS = 20  # four beats are missed by then
cli.main()
"""


def family(process):
    return [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]


def flow_runs(api):
    """The names of all flow runs on workers, by pool."""
    request = urllib.request.Request(
        f"{api}/flow_runs/filter", b"{}", {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        found = [(run["work_pool_name"], run["name"]) for run in json.load(answer)]
    return {pool: {name for of, name in found if of == pool} for pool in ("cpu", "gpu")}


def test_a_killed_worker_s_stage_goes_to_the_other_and_the_lock_file_is_that_of_repro(
    here, server, databases, tmp_path_factory
):
    here.lay_out(databases)
    on_disk(here, tmp_path_factory, None)
    began = tmp_path_factory.mktemp("began")
    waits = f"echo began >> {began}/times; [ $(wc -l < {began}/times) -gt 1 ] || sleep 600"
    slow = STAGES["right"] | {"cmd": f"{waits}; cat first > right"}
    here.write(STAGES | {"right": slow})
    commit(here)
    api = f"{server.address}/api"
    pools = ["cpu", "cpu", "gpu"]
    clones = [clone(here, tmp_path_factory.mktemp("clones") / pool) for pool in pools]
    workers = [worker(there, pool, api) for there, pool in zip(clones, pools, strict=True)]
    try:
        with (here.root / "driver.txt").open("w") as output:
            driver = subprocess.Popen(
                [sys.executable, "-c", IMPATIENT, "run", "--on-workers"],
                cwd=here.root,
                env=here.environment | {"PREFECT_API_URL": api},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        while not (began / "times").exists():
            assert driver.poll() is None, (here.root / "driver.txt").read_text()
            time.sleep(0.2)
        [victim] = [worker for worker in workers if sleeping(worker)]
        for process in family(victim):
            process.kill()
        victim.wait()
        driver.wait(timeout=500)
        assert len((began / "times").read_text().split()) == 2
        ran = flow_runs(api)
        assert ran == {"cpu": {"first", "left", "right"}, "gpu": {"last"}}, "score goes with last"
    finally:
        for each in workers:
            if each.poll() is None:
                for process in family(each):
                    process.kill()
            each.wait()
    assert (here.root / "last").read_text() == "xx"
    after = here.lock
    (here.root / "dvc.lock").unlink()
    here.dvc("repro", "--force")
    assert after == here.lock


def sleeping(worker):
    return any(p.name() == "sleep" for p in family(worker))
