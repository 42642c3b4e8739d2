"""Several processes train the model that one would; real ones, over gloo."""

import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.distributed as dist
from ruamel.yaml import YAML
from torch import Tensor

from gpt1.errors import UserError
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.training import distributed
from gpt1.training.loop import Optimization, fit
from gpt1.training.objective import Objective
from gpt1.training.state import saved
from gpt1.training.stopping import RESUME_CODE

ROOT = Path(__file__).parents[3]
UPDATES = 50


class Windows(Objective[Tensor]):
    """Defined here, for this file is a program too, where the folder of tests is no package."""

    model: GPT
    updates = UPDATES

    def __init__(self, model: GPT, parts: int, pause: float) -> None:
        self.model, self.parts, self.pause = model, parts, pause

    def micro_batches(self, update: int) -> list[Tensor]:
        batch = torch.randint(50, (8, 17), generator=torch.Generator().manual_seed(update % 3))
        return list(batch.tensor_split(self.parts))

    def loss(self, windows: Tensor) -> dict[str, Tensor]:
        time.sleep(self.pause)
        mean = self.model.loss(self.model.states(windows[:, :-1]), windows[:, 1:])
        return {"loss": mean * len(windows) / 8}


def train(out: Path, dropout: float = 0.1, parts: int = 4, pause: float = 0.0) -> None:
    """One process of a job whose state is written many times a second."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab=50, layers=2, width=32, heads=2, context=16, dropout=dropout))
    with distributed.process_group():
        curve = fit(
            Windows(model, parts, pause),
            Optimization(
                learning_rate=lambda update: 1e-2,
                weight_decay=0.01,
                clip=1.0,
                precision="fp32",
                seed=1,
            ),
            state=out / "state",
            title="test",
            save_seconds=0.1,
        )
        distributed.exit_nonzero_ranks()
    model.save(out)
    curve.to_csv(out / "curve.csv", index=False)


def run(processes: int, out: Path, **settings: float) -> Path:
    """The job in so many processes, forked: no second of imports for each of them."""
    out.mkdir(exist_ok=True)
    port = free_port()

    def one(rank: int) -> None:
        if processes > 1:
            os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(processes)}
            os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
        train(out, **settings)  # type: ignore[arg-type]

    context = multiprocessing.get_context("fork")
    started = [context.Process(target=one, args=(rank,)) for rank in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join()
        assert process.exitcode == 0
    return out


@pytest.mark.slow
@pytest.mark.parametrize(("dropout", "parts"), [(0.0, 4), (0.1, 3)])
def test_two_processes_follow_one_for_fifty_updates_also_with_dropout_and_uneven_shares(
    tmp_path: Path, dropout: float, parts: int
) -> None:
    one = run(1, tmp_path / "one", dropout=dropout, parts=parts)
    two = run(2, tmp_path / "two", dropout=dropout, parts=parts)
    expected, found = (pd.read_csv(out / "curve.csv")["loss"] for out in (one, two))
    assert len(found) == UPDATES
    assert (found - expected).abs().max() < 1e-4
    assert found.iloc[-1] < found.iloc[0] - 1


@pytest.mark.slow
def test_one_process_killed_and_the_job_resumes_all_stopped_and_it_resumes_to_the_same_bytes(
    tmp_path: Path,
) -> None:
    whole, out = run(2, tmp_path / "whole"), tmp_path / "out"
    out.mkdir()
    launcher = start(2, out, pause=0.1)
    wait_for(lambda: saved(out / "state"), launcher)
    before = children(launcher)
    os.kill(before[-1], signal.SIGKILL)
    wait_for(lambda: not {*children(launcher)} & {*before}, launcher)
    last = saved(out / "state")[-1]
    wait_for(lambda: saved(out / "state")[-1] > last, launcher)
    launcher.terminate()
    _, errors = launcher.communicate(timeout=60)
    assert launcher.returncode == RESUME_CODE, errors
    assert "was killed (SIGKILL); all restart from the last state" in errors
    assert errors.count("start again to resume") == 1
    run(2, out)
    for name in ("model.safetensors", "curve.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["GPT1_NPROC", "torchrun", "srun"])
def test_sigterm_to_every_process_beside_that_of_the_launcher_saves_once_and_resumes(
    tmp_path: Path, launcher: str
) -> None:
    """As Slurm and torchrun do together. A launcher of PyTorch's stands two signals, ours any.

    `srun` is a shell that starts the processes as Slurm does, and ends with their highest code.
    """
    whole, out = run(2, tmp_path / "whole"), tmp_path / "out"
    out.mkdir()
    job = start(2, out, pause=0.1, launcher=launcher)
    wait_for(lambda: saved(out / "state"), job)
    workers = children(job)
    if launcher != "srun":
        job.terminate()
    while job.poll() is None:
        tell(workers)
        if launcher == "GPT1_NPROC":
            job.terminate()
        time.sleep(0.02)
    assert not tell(workers), "the launcher ended before its processes"
    _, errors = job.communicate(timeout=60)
    assert errors.count("start again to resume") == 1, errors
    assert job.returncode == (1 if launcher == "torchrun" else RESUME_CODE)
    run(2, out)
    for name in ("model.safetensors", "curve.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.slow
def test_a_stop_that_could_not_save_its_state_ends_with_an_error_not_with_resume_me(
    tmp_path: Path,
) -> None:
    """The limit on the size of files is a full disk."""
    out = tmp_path / "out"
    out.mkdir()
    job = start(2, out, pause=0.1, launcher="full disk")
    assert job.stderr
    line = next(line for line in job.stderr if "cannot save the state" in line)
    assert "training goes on" in line
    job.terminate()
    _, errors = job.communicate(timeout=60)
    assert job.returncode == 1
    assert "updates: cannot save the state" in errors
    assert "Free space, and start again" in errors


@pytest.mark.nightly
def test_a_machine_that_dies_is_started_again_and_all_resume_to_the_same_bytes(
    tmp_path: Path,
) -> None:
    """Two agents of torchrun, each with a process, as on two machines that share a disk.

    What ends with an error is started again, as Kubernetes does: the agent that is left may meet
    the dead one again, wait for it, and give up.
    """
    whole, out = run(2, tmp_path / "whole"), tmp_path / "out"
    out.mkdir()
    port = free_port()

    def agent(pause: float) -> "subprocess.Popen[str]":
        return start(2, out, pause, launcher=f"agent localhost:{port}")

    first = agent(pause=0.1)
    wait_for(lambda: listens(port), first)  # the agents meet at this one
    agents = [first, agent(pause=0.1)]
    wait_for(lambda: saved(out / "state"), first)
    for pid in (agents[1].pid, *children(agents[1])):
        os.kill(pid, signal.SIGKILL)
    started, errors = 2, ""
    while any(job.poll() != 0 for job in agents):
        for index, job in enumerate(agents):
            if job.poll() not in {None, 0}:
                errors += job.communicate()[1]
                assert started < 20, errors
                agents[index], started = agent(pause=0.0), started + 1
        time.sleep(0.1)
    assert started > 2
    for name in ("model.safetensors", "curve.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def start(
    processes: int, out: Path, pause: float, launcher: str = "GPT1_NPROC"
) -> "subprocess.Popen[str]":
    """The job as the stage starts it, or torchrun, or srun, or one agent of two of torchrun."""
    module = ["-m", "test_distributed", str(out), str(pause)]
    command, variables = [sys.executable, *module], {"GPT1_NPROC": str(processes)}
    if launcher == "torchrun":
        options = ["--standalone", "--nproc-per-node", str(processes)]
        command = [sys.executable, "-m", "torch.distributed.run", *options, *module]
    if launcher.startswith("agent "):
        options = ["--nnodes", "2", "--max-restarts", "3", "--rdzv-backend", "c10d"]
        options += ["--rdzv-conf", "read_timeout=5", "--local-addr", "localhost"]
        options += ["--rdzv-endpoint", launcher.split()[1]]
        command = [sys.executable, "-m", "torch.distributed.run", *options, *module]
    if launcher == "full disk":
        command = ["bash", "-c", 'ulimit -f 20; exec "$@"', "bash", *command]
    if launcher == "srun":
        command = ["bash", "-c", SRUN, "srun", sys.executable, *module]
        variables |= {"SLURM_NTASKS": str(processes), "MASTER_ADDR": "localhost"}
        variables |= {"MASTER_PORT": str(free_port())}
    return subprocess.Popen(
        command,
        env=os.environ | variables | {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
        stderr=subprocess.PIPE,
        text=True,
    )


RECIPE = re.search(r"srun bash -c '(.*?) exec python", (ROOT / "docs/training.md").read_text())
SRUN = f"""
for SLURM_PROCID in $(seq 0 $((SLURM_NTASKS - 1))); do
  SLURM_LOCALID=$SLURM_PROCID
  ({RECIPE and RECIPE[1]} exec "$@") & started="$started $!"
done
for each in $started; do wait $each; code=$?; [ $code -gt ${{highest:-0}} ] && highest=$code; done
exit $highest
"""
"""Its variables are those of the recipe in the documentation."""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return int(free.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("localhost", port)) == 0


def tell(processes: list[int]) -> list[int]:
    """Send SIGTERM; returns those that were still there."""
    told = []
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            told.append(pid)
    return told


def children(process: "subprocess.Popen[str]") -> list[int]:
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in found.read_text().split()]


def wait_for(condition, process: "subprocess.Popen[str]") -> None:
    while not condition():
        time.sleep(0.02)
        assert process.poll() is None, process.communicate()


def launched(
    name: str, script: str, folder: Path, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    """Run a script that launches itself as two processes."""
    (folder / f"{name}.py").write_text(script)
    return subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=folder,
        env=os.environ | {"GPT1_NPROC": "2", "PYTHONPATH": f"{ROOT}:{folder}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


BOTH_FAIL = """
import os, signal, sys, time
if "RANK" not in os.environ:
    from gpt1.training import distributed
    distributed.launch("both_fail", lambda: 0)
if os.environ["RANK"] == "1":
    time.sleep(60)
with open("starts", "a") as file:
    file.write("x")
sys.exit(1)
"""


def test_an_error_ends_all_at_once_also_where_the_others_are_ended_with_it(tmp_path: Path) -> None:
    done = launched("both_fail", BOTH_FAIL, tmp_path)
    assert done.returncode == 1
    assert (tmp_path / "starts").read_text() == "x"
    assert "restart" not in done.stderr


EARLY = """
import os, signal, sys, time
if "RANK" not in os.environ:
    from gpt1.training import distributed
    distributed.launch("early", lambda: os.kill(os.getpid(), signal.SIGTERM))
time.sleep(60)
"""


def test_a_signal_before_there_is_a_process_reaches_all_of_them(tmp_path: Path) -> None:
    """The launcher asks for the progress between taking signals and starting processes."""
    done = launched("early", EARLY, tmp_path)
    assert done.returncode == RESUME_CODE


FLAKY = """
import os, signal, sys
from pathlib import Path
def progress():
    return Path("progress").exists() and Path("progress").read_text()
if "RANK" not in os.environ:
    from gpt1.training import distributed
    distributed.launch("flaky", progress)
run = int(Path("runs").read_text()) + 1
if os.environ["RANK"] == "1":
    Path("runs").write_text(str(run))
    if sys.argv[1] == "progress":
        Path("progress").write_text(str(run))
    if run < 7:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("kind", "code", "runs"), [("progress", 0, 7), ("none", 1, 4)])
def test_only_restarts_that_bring_no_new_state_are_counted(
    tmp_path: Path, kind: str, code: int, runs: int
) -> None:
    """The second process is killed six times."""
    (tmp_path / "runs").write_text("0")
    done = launched("flaky", FLAKY, tmp_path, kind)
    assert done.returncode == code, done.stderr
    assert (tmp_path / "runs").read_text() == str(runs)
    said = [line for line in done.stderr.splitlines() if line.startswith("process 1 was killed")]
    assert len(said) == min(6, runs)
    assert ("3 restarts brought no new state" in said[-1]) == (code == 1)


@pytest.mark.parametrize(
    ("error", "expected", "said"),
    [
        (RuntimeError("[gloo/pair.cc:534] Connection closed by peer"), UserError, "closed by peer"),
        (dist.DistBackendError("NCCL error\nLast error: peer is gone"), UserError, "peer is gone"),
        (RuntimeError("CUDA error: device-side assert"), RuntimeError, "device-side assert"),
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError, "out of memory"),
    ],
)
def test_only_a_broken_connection_is_reported_as_one_and_every_cause_is_said(
    error: Exception, expected: type[Exception], said: str
) -> None:
    with pytest.raises(expected, match=said), distributed.connection_errors():
        raise error


def test_every_documented_number_of_processes_has_a_micro_batch_each_in_the_papers_profile() -> (
    None
):
    text = (ROOT / "docs/training.md").read_text()
    number = r"\D{1,2}(\d+)"
    documented = {int(n) for n in re.findall(r"GPT1_NPROC=(\d+) gpt1 run", text)}
    for nodes, each in (("--nnodes", "--nproc-per-node"), ("--nodes", "--ntasks-per-node")):
        found = re.findall(f"{nodes}{number}.*?{each}{number}", text, re.DOTALL)
        assert found
        documented |= {int(n) * int(m) for n, m in found}
    advised = {
        int(n): int(rows) for n, rows in re.findall(r"^\| (\d+) \| (\d+)", text, re.MULTILINE)
    }
    assert documented | {1, 8, 16} == {*advised}
    model = YAML(typ="safe").load(ROOT / "profiles/paper.yaml")["models"]["gpt"]
    assert advised[1] == model["micro_batch"]
    for processes, rows in advised.items():
        assert processes * rows == model["batch"]


def test_more_processes_than_micro_batches_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "world_size", lambda: 5)
    with pytest.raises(UserError, match="4 micro-batches an update for 5 processes; lower"):
        train(tmp_path)


if __name__ == "__main__":
    distributed.launch("test_distributed", lambda: saved(Path(sys.argv[1], "state")))
    train(Path(sys.argv[1]), pause=float(sys.argv[2]))
