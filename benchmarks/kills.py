"""Disturb runs at random moments, and check what is left after one more run.

After each disturbance one `gpt1 run` must end in the lock file and the outputs of an undisturbed
run, with no process and no partial output left. Usage:
python benchmarks/kills.py [RUNS, 100] [SEED, 1] [FAULT ...]
"""

import collections
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from gpt1 import files
from pipelines.execution import processes
from pipelines.flow import servers

ROOT = Path(__file__).parents[1]
ENVIRONMENT = os.environ | {
    "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
    "DVC_NO_ANALYTICS": "1",
}
UPSTREAM = {
    "first": ["in"],
    "left": ["first"],
    "right": ["first"],
    "late": ["left"],
    "last": ["late", "right"],
}
LINGERS = "setsid sleep 600 &"
"""A process that outlives its stage, in a session of its own, with the stage's output open."""
Driver = subprocess.Popen[bytes]
UP = ["gpt1", "up", "--prefect-port", "24837", "--mlflow-port", "24838"]
"""Always the same ports, so that a driver finds its server again, below those of connections."""


def main() -> None:
    count, seed = map(int, (sys.argv[1:3] + ["100", "1"][len(sys.argv[1:3]) :]))
    faults = {name: FAULTS[name] for name in sys.argv[3:] or FAULTS}
    chance, done = random.Random(seed), collections.Counter[str]()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder).resolve()
        project(root)
        up(root)
        try:
            duration = undisturbed(root)
            while done.total() - done["over before"] < count:
                number = done.total()
                fault = [*faults][number % len(faults)]
                start = time.monotonic()
                hit = disturbed(root, number, faults[fault], chance.uniform(0, duration))
                done[fault if hit else "over before"] += 1
                check(root, number)
                took = time.monotonic() - start
                print(f"{number:3} {fault:16} {'hit' if hit else 'over'} {took:5.1f} s", flush=True)
                up(root)
        finally:
            run(root, "gpt1", "down")
    print(f"after each of {count} disturbances one run left what an undisturbed one leaves")
    print(dict(sorted(done.items())))


def project(root: Path) -> None:
    subprocess.run(["git", "init", "-q", root], check=True)
    (root / ".dvc").mkdir()
    for name in (".dvc/config", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    stages = {
        name: {
            "cmd": f"{LINGERS if name == 'left' else ''} cat {' '.join(deps)} > .{name}.$$.part; "
            f"sleep 1; mv .{name}.$$.part {name}",
            "deps": deps,
            "outs": [name],
            "params": ["a"],
        }
        for name, deps in UPSTREAM.items()
    }
    dump(root / "dvc.yaml", {"stages": stages})
    dump(root / "params.yaml", {"a": 1})


def expected(number: int) -> dict[str, str]:
    """The content of the input and of each output."""
    content = {"in": f"{number}\n"}
    for name, deps in UPSTREAM.items():
        content[name] = "".join(content[dep] for dep in deps)
    return content


def up(root: Path) -> None:
    """A server of each kind, so that a run takes seconds."""
    if not all(servers.running(root, kind) for kind in servers.KINDS):
        run(root, *UP)


def undisturbed(root: Path) -> float:
    """The seconds that `gpt1 run` takes."""
    (root / "in").write_text(expected(-1)["in"])
    start = time.monotonic()
    run(root, "gpt1", "run")
    check(root, -1)
    return time.monotonic() - start


def disturbed(root: Path, number: int, fault: Callable[[Path, Driver], bool], after: float) -> bool:
    """One run in which all has to be done anew; whether the fault found something to hit."""
    (root / "in").write_text(expected(number)["in"])
    if fault is full_disk:
        fill_disk(root)
    driver = subprocess.Popen(
        ["gpt1", "run"],
        cwd=root,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert driver.stdout
    time.sleep(after)
    hit = driver.poll() is None and fault(root, driver)
    if not driver.stdout.closed:
        driver.stdout.read()
    driver.wait(timeout=300)
    driver.stdout.close()
    return hit


def killed_driver(_: Path, driver: Driver) -> bool:
    driver.kill()
    return True


def killed_process(root: Path, driver: Driver) -> bool:
    """Of `pipelines.execution.reproduce`."""
    return _kill(root, driver, lambda process, session: process.pid == session)


def killed_stage(root: Path, driver: Driver) -> bool:
    return _kill(root, driver, lambda process, session: process.pid != session)


def _kill(root: Path, driver: Driver, victim: Callable[[psutil.Process, int], bool]) -> bool:
    while driver.poll() is None:
        for note in (root / ".work" / "sessions").glob("*"):
            session = int(note.name)
            for process in filter(lambda p: victim(p, session), processes.members(session)):
                process.kill()
                return True
    return False


def killed_server(root: Path, _: Driver) -> bool:
    server = servers.running(root, "prefect")
    return bool(server) and not psutil.Process(server.pid).kill()


def hang_up(_: Path, driver: Driver) -> bool:
    """As a terminal whose connection drops, from the kernel and from its shell."""
    for _ in range(2):
        driver.send_signal(signal.SIGHUP)
    return True


def interrupted(_: Path, driver: Driver) -> bool:
    driver.send_signal(signal.SIGINT)
    return True


def closed_pipe(_: Path, driver: Driver) -> bool:
    """As `gpt1 run | tee log`, on Ctrl-C."""
    assert driver.stdout
    driver.stdout.close()
    driver.send_signal(signal.SIGINT)
    return True


def lost_reader(_: Path, driver: Driver) -> bool:
    """As `gpt1 run | head`."""
    assert driver.stdout
    driver.stdout.close()
    return True


def edited(root: Path, driver: Driver) -> bool:
    """An input and a param; both are as before when the run has ended."""
    before = (root / "in").read_text()
    (root / "in").write_text("edited\n")
    dump(root / "params.yaml", {"a": 2})
    driver.communicate()
    (root / "in").write_text(before)
    dump(root / "params.yaml", {"a": 1})
    return True


def two_up(root: Path, _: Driver) -> bool:
    """While the driver runs on its servers, which `gpt1 down` ends first."""
    run(root, "gpt1", "down")
    both = [
        subprocess.Popen(UP, cwd=root, env=ENVIRONMENT, stdout=subprocess.PIPE) for _ in range(2)
    ]
    said = [each.communicate()[0] for each in both]
    assert said[0] == said[1], said
    return True


def full_disk(_: Path, __: Driver) -> bool:
    return True


def fill_disk(root: Path) -> None:
    """For the logs of all stages."""
    shutil.rmtree(root / ".work" / "logs", ignore_errors=True)
    (root / ".work" / "logs").mkdir(parents=True)
    for name in UPSTREAM:
        (root / ".work" / "logs" / f"{name}.txt").symlink_to("/dev/full")


FAULTS = {
    each.__name__: each
    for each in (
        killed_driver,
        killed_process,
        killed_stage,
        killed_server,
        hang_up,
        interrupted,
        closed_pipe,
        lost_reader,
        edited,
        two_up,
        full_disk,
    )
}


def check(root: Path, number: int) -> None:
    """One more run: it leaves what an undisturbed one leaves, and nothing runs on."""
    shutil.rmtree(root / ".work" / "logs", ignore_errors=True)
    run(root, "gpt1", "run")
    content = expected(number)
    lock = YAML(typ="safe").load(root / "dvc.lock")
    assert {n: stage_entry(entry) for n, entry in lock["stages"].items()} == {
        name: {path: digest(content[path]) for path in [*deps, name]} | {"a": 1}
        for name, deps in UPSTREAM.items()
    }, f"run {number}: another lock file"
    for name in UPSTREAM:
        assert (root / name).read_text() == content[name], f"run {number}: {name} is another"
    assert not list((root / ".work" / "sessions").iterdir()), f"run {number}: a session is left"
    partial = list(root.rglob(f".*{files.PARTIAL}"))
    assert not partial, f"run {number}: {partial} are left"
    end = time.monotonic() + 10
    while left := [*processes_of(root)]:
        assert time.monotonic() < end, f"run {number}: {left} run on"
        time.sleep(0.1)


def stage_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """What an entry says: path -> hash of deps and outs, and the params."""
    hashes = {file["path"]: file["md5"] for file in [*entry["deps"], *entry["outs"]]}
    return hashes | dict(entry["params"]["params.yaml"])


def digest(content: str) -> str:
    return hashlib.md5(content.encode()).hexdigest()


def processes_of(root: Path) -> Iterator[psutil.Process]:
    """Processes that work in the project, without the servers that are up."""
    up = {s.pid for kind in servers.KINDS if (s := servers.running(root, kind))}
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            lives = process.status() != psutil.STATUS_ZOMBIE
            if lives and process.cwd() == str(root) and os.getsid(process.pid) not in up:
                yield process


def run(root: Path, *command: str) -> None:
    done = subprocess.run(
        command, cwd=root, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode and "report" not in done.stderr:
        raise AssertionError(f"{command}\n{done.stdout}\n{done.stderr}")


def dump(path: Path, content: Any) -> None:
    YAML(typ="safe").dump(content, path)


if __name__ == "__main__":
    main()
