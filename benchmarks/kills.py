"""Kill the driver, a dvc process, a stage or the server at random moments.

After each kill, one `gpt1 run` must leave the lock file of an undisturbed run and no process. Some
dvc processes are killed while they write `dvc.lock`. Usage:
python benchmarks/kills.py [KILLS, 100] [SEED, 1]
"""

import collections
import hashlib
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from pipelines.execution import processes
from pipelines.flow import servers

ROOT = Path(__file__).parents[1]
VICTIMS = ("driver", "dvc", "dvc that writes", "stage", "server")
ENVIRONMENT = os.environ | {
    "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
    "DVC_NO_ANALYTICS": "1",
}
WIDE = 2
STAGES: dict[str, Any] = {
    "first": {"cmd": "sleep 0.5; cat in > first", "deps": ["in"], "params": ["a"]},
    **{f"middle{n}": {"cmd": f"sleep 1; cat first > middle{n}"} for n in range(WIDE)},
    **{f"late{n}": {"cmd": f"sleep 0.5; cat middle{n} > late{n}"} for n in range(WIDE)},
    "last": {"cmd": "cat late* > last"},
}
UPSTREAM = {
    **{f"middle{n}": ["first"] for n in range(WIDE)},
    **{f"late{n}": [f"middle{n}"] for n in range(WIDE)},
    "last": [f"late{n}" for n in range(WIDE)],
}


def main() -> None:
    count, seed = map(int, (sys.argv[1:] + ["100", "1"][len(sys.argv) - 1 :])[:2])
    chance, done = random.Random(seed), collections.Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder))
        up(root)
        try:
            lock, duration = undisturbed(root)
            for number in itertools.count():
                victim = VICTIMS[number % len(VICTIMS)]
                hit = disturbed(root, number, victim, chance.uniform(0, duration))
                done[victim if hit else "was over before"] += 1
                check(root, number, lock)
                print(f"{number:3} {victim:15} {'killed' if hit else 'was over'}", flush=True)
                up(root)
                if done.total() - done["was over before"] == count:
                    break
        finally:
            run(root, "gpt1", "down")
    print(f"after each of {count} kills one run left the lock file of an undisturbed run")
    print(dict(sorted(done.items())))


def project(root: Path) -> Path:
    subprocess.run(["git", "init", "-q", root], check=True)
    (root / ".dvc").mkdir()
    for name in (".dvc/config", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    stages = {
        name: {"deps": UPSTREAM.get(name, [])} | stage | {"outs": [name]}
        for name, stage in STAGES.items()
    }
    dump(root / "dvc.yaml", {"stages": stages})
    (root / "in").write_text("x")
    return root


def up(root: Path) -> None:
    """A server of each kind, so that a run takes seconds."""
    if not all(servers.running(root, kind) for kind in servers.KINDS):
        run(root, "gpt1", "up", "--prefect-port", "0", "--mlflow-port", "0")


def undisturbed(root: Path) -> tuple[Any, float]:
    """The lock file that plain `dvc repro` leaves, and the seconds that `gpt1 run` takes."""
    dump(root / "params.yaml", {"a": -1})
    start = time.monotonic()
    run(root, "gpt1", "run")
    took = time.monotonic() - start
    run(root, "dvc", "repro", "-q", "--force")
    return YAML(typ="safe").load(root / "dvc.lock"), took


def disturbed(root: Path, number: int, victim: str, after: float) -> bool:
    """One run in which all has to be done anew; whether the victim was there to be killed."""
    dump(root / "params.yaml", {"a": number})
    with (root / "driver.txt").open("w") as output:
        driver = subprocess.Popen(
            ["gpt1", "run"], cwd=root, env=ENVIRONMENT, stdout=output, stderr=output
        )
    time.sleep(after)
    if victim == "dvc that writes":
        await_write(root / "dvc.lock", driver)
    hit = False
    while driver.poll() is None and not hit:
        for process in found(root, victim.split(maxsplit=1)[0], driver):
            process.kill()
            hit = True
            break
    driver.wait(timeout=300)
    return hit


def await_write(lock: Path, driver: subprocess.Popen[bytes]) -> None:
    before = stamp(lock)
    while stamp(lock) == before and driver.poll() is None:
        pass


def stamp(path: Path) -> tuple[int, int]:
    try:
        return path.stat().st_mtime_ns, path.stat().st_size
    except FileNotFoundError:
        return 0, 0


def found(root: Path, victim: str, driver: subprocess.Popen[bytes]) -> Iterator[psutil.Process]:
    if victim == "driver":
        yield psutil.Process(driver.pid)
    elif victim == "server":
        yield psutil.Process(json.loads((root / ".work/servers/prefect.json").read_text())["pid"])
    else:
        for note in (root / ".work" / "sessions").glob("*"):
            session = int(note.name)
            members = [psutil.Process(session)] if victim == "dvc" else processes.members(session)
            yield from (p for p in members if (p.pid == session) == (victim == "dvc"))


def check(root: Path, number: int, lock: Any) -> None:
    """One more run: it leaves what an undisturbed one leaves, and nothing runs on."""
    run(root, "gpt1", "run")
    lock["stages"]["first"]["params"]["params.yaml"]["a"] = number
    assert YAML(typ="safe").load(root / "dvc.lock") == lock, f"run {number}: another lock file"
    for name, stage in lock["stages"].items():
        digest = hashlib.md5((root / name).read_bytes()).hexdigest()
        assert digest == stage["outs"][0]["md5"], f"run {number}: {name} is not what it was"
    assert not list((root / ".work" / "sessions").iterdir()), f"run {number}: something runs on"


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
