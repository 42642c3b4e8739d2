"""Where the servers of a project keep their data, and how its processes reach them."""

import subprocess
import sys

import pytest

from gpt1 import loopback
from pipelines.flow import servers
from tests.conftest import Project

pytestmark = pytest.mark.slow

PROXY = """
import http.server, sys
class Refusing(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.requestline, file=sys.stderr, flush=True)
        self.send_error(403)
    do_CONNECT = do_POST = do_PATCH = do_GET
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
print(server.server_port, flush=True)
server.serve_forever()
"""
TRACKED = """
from stages import tracking
with tracking.run() as run:
    run.metrics({"loss": 1.0})
    open("out", "w").write("x")
"""


@pytest.fixture
def proxy(tmp_path, monkeypatch):
    """A proxy that refuses all; the lines of the file that this returns are what it was asked."""
    asked = tmp_path / "asked"
    with asked.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", PROXY], stdout=subprocess.PIPE, stderr=log, text=True
        )
    port = int(process.stdout.readline())
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield asked
    process.kill()
    process.wait()


def test_behind_a_proxy_in_a_folder_of_any_name_a_run_reaches_both_servers_of_the_project(
    tmp_path, databases, proxy, monkeypatch
):
    above = tmp_path / "above"
    root = above / "100%25 & #1? b"
    root.mkdir(parents=True)
    project = Project(root)
    project.lay_out(databases)
    (root / "tracked.py").write_text(TRACKED)
    project.write({"s": {"cmd": "python tracked.py", "deps": ["tracked.py"], "outs": ["out"]}})
    try:
        up = project.gpt1("up", "--prefect-port", "0", "--mlflow-port", "0")
        addresses = dict(line.split(maxsplit=1) for line in up.stdout.splitlines())
        monkeypatch.setenv("GPT1_TRACKING", addresses["mlflow"])
        kept = project.environment | {"GPT1_TRACKING": addresses["mlflow"]}
        subprocess.run(["gpt1", "run"], cwd=root, env=kept, check=True, timeout=240)
        client, _ = servers.extension.connect_mlflow(root, addresses["mlflow"])
        run = client.create_run(client.create_experiment("another, with the server's artifacts"))
        client.log_artifact(run.info.run_id, str(root / "tracked.py"))
        states = [line.split()[1] for line in project.gpt1("status").stdout.splitlines()]
    finally:
        for kind in servers.KINDS:
            servers.stop(root, kind)
    assert states == ["up", "up"]
    assert proxy.read_text() == ""
    assert [path.name for path in above.iterdir()] == [root.name]
    client, experiment = servers.extension.connect_mlflow(root)
    names = {run.info.run_name for run in client.search_runs([experiment])}
    assert "s" in names


@pytest.mark.parametrize(
    ("listed", "all_of_them"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"no_proxy": "a.b, localhost", "NO_PROXY": "c"}, "a.b,localhost,c,127.0.0.1"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_hosts_that_the_user_keeps_from_the_proxy_are_kept(listed, all_of_them, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in listed.items():
        monkeypatch.setenv(name, value)
    assert loopback.direct() == {"no_proxy": all_of_them, "NO_PROXY": all_of_them}
