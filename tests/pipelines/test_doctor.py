"""`gpt1 doctor` on machines where something is wrong, one thing at a time."""

import http.server
import os
import threading

import pytest
import torch

from pipelines.extension import doctor


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("GPT1_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GPT1_DEVICE", "cpu")


def findings():
    return {finding.what: finding for finding in doctor.examine()}


def wrong(found):
    return [what for what, finding in found.items() if finding.state == "wrong"]


def test_in_a_project_nothing_is_wrong_and_the_device_has_computed(project):
    found = findings()
    assert not wrong(found)
    assert found["project"].found == str(project.root)
    assert "GFLOP/s" in found["device"].found
    assert {"Python", "torch", "bf16", "cores", "memory", "disk", "git", "DVC remote"} <= {*found}
    assert {"MLflow", "Prefect"} <= {*found}


def test_outside_a_project_it_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert findings()["project"].advice == "`gpt1 init DIR` makes one"


def test_a_server_that_does_not_answer_is_wrong_and_its_password_is_not_told(project, monkeypatch):
    monkeypatch.setenv("GPT1_TRACKING", "http://me:secret@127.0.0.1:9")
    found = findings()
    assert wrong(found) == ["MLflow"]
    assert "Connection refused" in found["MLflow"].found
    assert "GPT1_TRACKING" in found["MLflow"].advice
    told = "".join(map(str, found.values()))
    assert "127.0.0.1:9" in told
    assert "secret" not in told


class Busy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_server_that_wants_a_password_answers(project, monkeypatch):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/api")
        assert findings()["Prefect"].found.endswith("answers")
        server.shutdown()


@pytest.mark.parametrize(
    ("address", "advice"), [("gone", "no such folder"), ("gs://bucket/x", "dvc-gs")]
)
def test_a_remote_that_cannot_work_is_named_with_the_way_out(project, address, advice):
    project.dvc("remote", "add", "-d", "team", address)
    found = findings()
    assert wrong(found) == ["DVC remote"]
    assert advice in found["DVC remote"].advice


@pytest.mark.skipif(torch.accelerator.is_available(), reason="an accelerator computes here")
def test_a_device_that_is_asked_for_and_does_not_compute_is_wrong(project, monkeypatch):
    monkeypatch.setenv("GPT1_DEVICE", "cuda")
    found = findings()
    assert wrong(found) == ["device"]
    assert "GPT1_DEVICE=cuda: " in found["device"].advice


def test_a_variable_that_cannot_be_read_is_named(project, monkeypatch):
    monkeypatch.setenv("GPT1_NPROC", "two")
    found = findings()
    assert wrong(found) == ["variables"]
    assert found["variables"].advice == "GPT1_NPROC=two: must be a whole number"


def test_without_git_it_says_so_and_ends_with_1(project, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert wrong(findings()) == ["git"]


def test_the_command_ends_with_1_where_something_is_wrong(project):
    assert project.gpt1("doctor").returncode == 0
    project.dvc("remote", "add", "-d", "team", "gone")
    done = project.gpt1("doctor", check=False)
    assert done.returncode == 1
    assert "wrong  DVC remote team at" in done.stdout


def test_the_version_is_that_of_the_package(project):
    assert project.gpt1("--version").stdout.startswith("gpt1 0.")


def test_the_shell_can_be_taught_to_complete_commands(project):
    done = project.run(
        "env",
        "SHELL=/bin/bash",
        "_GPT1_COMPLETE=complete_bash",
        "COMP_WORDS=gpt1 doc",
        "COMP_CWORD=1",
        "gpt1",
    )
    assert done.stdout.split() == ["doctor"]
