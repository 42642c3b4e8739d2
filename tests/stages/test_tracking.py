import dataclasses
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from pipelines.flow import servers
from stages import tracking
from stages.tracking import driver, mlflow_run
from stages.tracking.curve import Recorder


@dataclasses.dataclass
class Params:
    width: int = 8
    learning_rate: float = 0.1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("a project")  # with a space, as people have them


@pytest.fixture(autouse=True)
def project(folder, request, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_STAGE", request.node.name)
    monkeypatch.delenv("GPT1_PARENT_RUN", raising=False)
    monkeypatch.delenv("GPT1_TRACKING", raising=False)
    monkeypatch.delenv("GPT1_RECORDER", raising=False)
    return folder


@pytest.fixture(params=["itself", "driver"])
def recorded_by(request, monkeypatch):
    """Whether a stage records itself, or the driver in whose run it is."""
    if request.param == "itself":
        yield request.param
        return
    with driver.recorder() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield request.param


def recorded(project):
    """The runs of the stage that this test plays."""
    client, experiment = mlflow_run.connect(project)
    runs = client.search_runs([experiment])
    return client, [r for r in runs if r.info.run_name == os.environ["DVC_STAGE"]]


@pytest.mark.usefixtures("recorded_by")
def test_a_run_has_the_name_of_its_stage_its_params_metrics_and_artifacts(project):
    (project / "table.md").write_text("a table")
    with tracking.run() as run:
        run.params(Params())
        run.params({"task": {"name": "book"}})
        for step in range(1500):
            run.metrics({"train/loss": 1 / (step + 1)}, step=step)
        run.metrics({"accuracy": 0.5})
        run.artifact(project / "table.md")
    client, [found] = recorded(project)
    assert found.info.run_name == found.data.tags["stage"] == os.environ["DVC_STAGE"]
    assert found.info.status == "FINISHED"
    assert found.data.params == {"width": "8", "learning_rate": "0.1", "task.name": "book"}
    curve = client.get_metric_history(found.info.run_id, "train/loss")
    assert [(m.step, m.value) for m in curve] == [(s, 1 / (s + 1)) for s in range(1500)]
    assert found.data.metrics["accuracy"] == 0.5
    assert [a.path for a in client.list_artifacts(found.info.run_id)] == ["table.md"]
    assert not (project / "mlruns").exists()


@pytest.mark.usefixtures("recorded_by")
@pytest.mark.parametrize(
    ("raised", "status"), [(ValueError, "FAILED"), (SystemExit, "KILLED"), (None, "FINISHED")]
)
def test_the_run_ends_as_its_stage_does(project, raised, status):
    try:
        with tracking.run():
            if raised:
                raise raised
    except (ValueError, SystemExit):
        pass
    _, [found] = recorded(project)
    assert found.info.status == status


@pytest.mark.usefixtures("recorded_by")
def test_a_run_is_a_child_of_the_pipeline_run(project, monkeypatch):
    parent = mlflow_run.MLflowRun("pipeline")
    monkeypatch.setenv("GPT1_PARENT_RUN", parent.id)
    with tracking.run():
        pass
    _, [child] = recorded(project)
    assert child.data.tags["mlflow.parentRunId"] == parent.id


@pytest.mark.usefixtures("recorded_by")
def test_a_stage_goes_on_when_mlflow_cannot_be_reached(project, monkeypatch, capsys):
    monkeypatch.setenv("GPT1_TRACKING", "http://127.0.0.1:9")
    with tracking.run() as run:
        run.params(Params())
        run.metrics({"loss": 1.0})
        run.artifact(project)
    warning = capsys.readouterr().err
    assert warning.startswith("warning: MLflow does not record this stage")
    assert len(warning.splitlines()) == 1


def test_a_stage_that_its_driver_records_imports_no_mlflow(project, monkeypatch):
    script = (
        "import sys; from stages import tracking\n"
        "with tracking.run() as run: run.metrics({'loss': 1.0})\n"
        "sys.exit('mlflow' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(tracking.__file__).parents[1])}
    with driver.recorder() as variables:
        subprocess.run([sys.executable, "-c", script], env=environment | variables, check=True)
    _, [found] = recorded(project)
    assert (found.data.metrics, found.info.status) == ({"loss": 1.0}, "FINISHED")


def test_the_run_of_a_stage_that_is_killed_is_killed(project, monkeypatch):
    script = (
        "import os, signal; from stages import tracking\n"
        "with tracking.run() as run: os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(tracking.__file__).parents[1])}
    with driver.recorder() as variables:
        subprocess.run([sys.executable, "-c", script], env=environment | variables, check=False)
        for _ in range(100):
            if recorded(project)[1][0].info.status != "RUNNING":
                break
            time.sleep(0.1)
    assert recorded(project)[1][0].info.status == "KILLED"


def test_a_stage_without_its_driver_records_itself(project, monkeypatch):
    with driver.recorder() as variables:
        monkeypatch.setenv("GPT1_RECORDER", variables["GPT1_RECORDER"])
    with tracking.run() as run:
        run.metrics({"loss": 1.0})
    _, [found] = recorded(project)
    assert (found.data.metrics, found.info.status) == ({"loss": 1.0}, "FINISHED")


def test_a_stage_goes_on_when_its_driver_ends(project, monkeypatch, capsys):
    with driver.recorder() as variables:
        monkeypatch.setenv("GPT1_RECORDER", variables["GPT1_RECORDER"])
        with tracking.run() as run:
            run._socket.shutdown(socket.SHUT_RDWR)
            run.params(Params())
            run.metrics({"loss": 1.0})
    assert capsys.readouterr().err.count("the driver records no more of this stage") == 1


def test_the_run_of_a_stage_that_is_killed_within_a_line_is_killed(project, capfd):
    with driver.recorder() as variables:
        name = os.environ["DVC_STAGE"]
        with socket.socket(socket.AF_UNIX) as stage:
            stage.connect(variables["GPT1_RECORDER"])
            stage.sendall(json.dumps(["begin", name, {}]).encode() + b"\n")
            assert json.loads(stage.recv(100)) == []
            stage.sendall(b'["metrics", {"lo')
        for _ in range(100):
            if recorded(project)[1][0].info.status != "RUNNING":
                break
            time.sleep(0.1)
    assert recorded(project)[1][0].info.status == "KILLED"
    assert "Traceback" not in capfd.readouterr().err


def test_a_driver_that_fails_leaves_no_thread(project):
    before = threading.active_count()
    with pytest.raises(KeyError), driver.recorder():
        raise KeyError
    assert threading.active_count() == before


def test_where_sockets_refuse_the_path_stages_record_themselves(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 40)))
    (tmp_path / ("long" * 40)).mkdir()
    with driver.recorder() as variables:
        assert variables == {}


def test_of_several_processes_the_driver_records_rank_0(project, monkeypatch):
    with driver.recorder() as variables:
        for rank in ("1", "0"):
            monkeypatch.setenv("RANK", rank)
            monkeypatch.setenv("GPT1_RECORDER", variables["GPT1_RECORDER"])
            with tracking.run() as run:
                run.metrics({"rank": float(rank)})
    _, [found] = recorded(project)
    assert found.data.metrics == {"rank": 0.0}


def test_values_that_could_not_be_sent_are_sent_later(project, monkeypatch):
    with tracking.run() as run:
        run.metrics({"loss": 1.0}, step=1)
        run.tags({"task": "book"})
        with monkeypatch.context() as broken:
            broken.setattr(run._client, "log_batch", lambda *_, **__: 1 / 0)
            run._try(run._flush)
        run.metrics({"loss": 2.0}, step=2)
    client, [found] = recorded(project)
    assert len(client.get_metric_history(found.info.run_id, "loss")) == 2
    assert found.data.tags["task"] == "book"


def test_four_processes_may_be_the_first_to_touch_the_database(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = "from stages import tracking\nwith tracking.run() as run: run.metrics({'loss': 1.0})"
    environment = os.environ | {"PYTHONPATH": str(Path(tracking.__file__).parents[1])}
    processes = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    assert [p.communicate()[1].decode() for p in processes if p.wait()] == []
    assert [run.data.metrics for run in recorded(tmp_path)[1]] == [{"loss": 1.0}] * 4


def test_dvc_tells_a_stage_its_name(tmp_path):
    command = f"{sys.executable} -c \"import os; open('out', 'w').write(os.environ['DVC_STAGE'])\""
    (tmp_path / "dvc.yaml").write_text(
        f"stages:\n  s:\n    matrix:\n      t: [rte]\n    cmd: {command}\n    outs: [out]\n"
    )
    dvc = [sys.executable, "-m", "dvc"]
    for arguments in (["init", "--no-scm", "-q"], ["repro", "-q"]):
        environment = {k: v for k, v in os.environ.items() if k != "DVC_STAGE"}
        subprocess.run([*dvc, *arguments], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "out").read_text() == "s@rte"


class Steps(list):
    """Stands for a run: what it is sent, by step."""

    def metrics(self, values, step):
        self.append((step, values))


def test_of_a_curve_mlflow_gets_90_updates_in_each_power_of_ten():
    sent = Steps()
    recorder = Recorder(sent, ["loss"])
    for update in range(1, 10_001):
        recorder.on_update(update, {"loss": 1.0, "rate": 0.1})
    steps = [step for step, values in sent if values == {"loss": 1.0}]
    assert steps[:100] == list(range(1, 101))
    assert steps[100:102] == [110, 120]
    assert len(steps) == 99 + 90 + 90 + 1


def test_a_name_that_mlflow_refuses_loses_nothing_else(tmp_path, databases, monkeypatch):
    shutil.copytree(databases, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    with tracking.run() as run:
        run.params({"a": 1})
        run.metrics({"score_Yes/No?": 1.0, "score_a,b": 2.0})
    found = mlflow_run.connect(tmp_path)[0].get_run(run.id).data
    assert found.metrics == {"score_Yes/No_": 1.0, "score_a_b": 2.0}
    assert found.params == {"a": "1"}


def test_every_held_out_loss_is_sent():
    sent = Steps()
    recorder = Recorder(sent, ["loss"])
    for update in (1001, 1002):
        recorder.on_update(update, {"loss": 1.0, "valid_loss": math.nan if update == 1001 else 2.0})
    assert sent == [(1002, {"valid_loss": 2.0})]


def test_the_speed_comes_with_the_next_of_these_updates():
    sent = Steps()
    recorder = Recorder(sent, ["loss"])
    for update in range(101, 131):
        recorder.on_update(update, {"loss": 1.0})
        if update in (112, 115):
            recorder.on_speed(update, {"tokens_per_second": float(update)})
    speeds = [(step, values.get("speed/tokens_per_second")) for step, values in sent]
    assert speeds == [(110, None), (120, 115.0), (130, None)]


@pytest.mark.slow
def test_a_stage_that_starts_while_the_server_is_away_is_recorded_once_it_answers(
    tmp_path, databases, monkeypatch, capsys
):
    shutil.copytree(databases, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("GPT1_TRACKING", f"http://127.0.0.1:{port}")
    started = time.time()
    try:
        with tracking.run() as run:
            run.params(Params())
            run.tags({"task": "book"})
            run.metrics({"loss": 1.0}, step=1)
            servers.start(tmp_path, "mlflow", port)
            run._due = 0.0  # not in ten seconds, but now
            run.metrics({"loss": 2.0}, step=2)
        client, [found] = recorded(tmp_path)
    finally:
        servers.stop(tmp_path, "mlflow")
    history = client.get_metric_history(found.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 2.0)]
    assert found.data.params == {"width": "8", "learning_rate": "0.1"}
    assert (found.data.tags["task"], found.info.status) == ("book", "FINISHED")
    assert abs(found.info.start_time / 1000 - started) < 1
    assert capsys.readouterr().err.count("warning: MLflow does not record this stage") == 1
