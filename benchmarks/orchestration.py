"""Seconds of `gpt1 run` against plain `dvc repro`: nothing changed, and a matrix of fine-tunings.

Both sides run on the same clone of this project, one after the other. Usage: python
benchmarks/orchestration.py [noop] [matrix] [cells [COUNT ...]]
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
STAGES, CODE_DEPS, REPEATS = 60, 15, 3
ENVIRONMENT = os.environ | {
    "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
    "DVC_NO_ANALYTICS": "1",
}


def main() -> None:
    chosen = [name for name in sys.argv[1:] if not name.isdecimal()] or ["noop", "matrix"]
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            {"noop": noop, "matrix": matrix, "cells": cells}[name](Path(folder))


def cells(root: Path) -> None:
    """Many cells that do nothing, with eight deps each: all to do, and nothing to do."""
    columns = ("cells", "dvc repro", "gpt1 run", "dvc status", "gpt1 plan", "run of none")
    print("".join(column.rjust(13) for column in columns))
    for count in [int(each) for each in sys.argv[1:] if each.isdecimal()] or [10, 100, 1000]:
        folder = root / str(count)
        cell_project(folder, count)
        commands = (("gpt1", "run"), ("dvc", "status"), ("gpt1", "plan"), ("gpt1", "run"))
        took = [seconds(folder, *command) for command in commands]
        plain = float("nan")
        if count <= 100:  # a thousand take more than an hour
            for path in (folder / ".dvc" / "cache", folder / "out"):
                shutil.rmtree(path)
            (folder / "dvc.lock").unlink()
            (folder / "out").mkdir()
            plain = seconds(folder, "dvc", "repro", "-q")
        print(f"{count:13}" + "".join(f"{each:13.1f}" for each in (plain, *took)), flush=True)


def cell_project(root: Path, count: int) -> None:
    subprocess.run(["git", "init", "-q", root], check=True)
    (root / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", root / ".dvc")
    (root / ".gitignore").write_text("/out/\n.work\n.prefect\n.mlflow\n")
    deps = [f"code/{number}.py" for number in range(8)]
    for dep in deps:
        write(root / dep, "x = 1\n" * 200)
    cell = {
        "matrix": {"n": [*range(count)]},
        "cmd": "echo ${item.n} > out/${item.n}",
        "deps": deps,
        "outs": ["out/${item.n}"],
    }
    write(root / "dvc.yaml", {"stages": {"cell": cell}})
    (root / "out").mkdir()


def noop(root: Path) -> None:
    """60 stages with 15 code deps each, nothing changed; the best of three runs, interleaved."""
    subprocess.run(["git", "init", "-q", root], check=True)
    (root / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", root / ".dvc")
    deps = []
    for number in range(CODE_DEPS):
        deps.append(f"code/{number}.py")
        write(root / deps[-1], "x = 1\n" * 200)
    stages = {
        f"s{i}": {"cmd": f"echo > out{i}", "deps": deps, "outs": [f"out{i}"]} for i in range(STAGES)
    }
    write(root / "dvc.yaml", {"stages": stages})
    seconds(root, "dvc", "repro", "-q")
    plain, flow = [], []
    for _ in range(REPEATS):
        plain.append(seconds(root, "dvc", "repro"))
        flow.append(seconds(root, "gpt1", "run"))
    compare(f"nothing to do in {STAGES} stages", min(plain), min(flow))


def matrix(root: Path) -> None:
    """Eight fine-tunings on two cores: the flow with 1 thread each, DVC with 1 and with 2."""
    subprocess.run(["git", "clone", "-q", ROOT, root / "clone"], check=True)
    root = root / "clone"
    params = YAML(typ="safe").load(root / "params.yaml")
    for model in params["models"].values():
        model |= {"epochs": 0}
    for task in params["derived_tasks"].values():
        task |= {"train": 600, "test": 200}
    for task in params["finetune"].values():
        task |= {"threads": 1, "epochs": 1}
    write(root / "params.yaml", params)
    seconds(root, "dvc", "repro", "-q", "pretrain", "derived_task")
    fresh = "rm -rf finetuned predictions curves/finetune dvc.lock .dvc/cache/runs"
    keep = (root / "dvc.lock").read_text()
    took, locks = {}, {}
    for name, threads, command in (
        ("dvc repro, 1 thread", 1, ("dvc", "repro", "finetune")),
        ("gpt1 run, 1 thread each", 1, ("gpt1", "run", "finetune")),
        ("dvc repro, 2 threads", 2, ("dvc", "repro", "finetune")),
    ):
        subprocess.run(fresh, shell=True, cwd=root, check=True)
        write(root / "dvc.lock", keep)
        for task in params["finetune"].values():
            task |= {"threads": threads}
        write(root / "params.yaml", params)
        took[name] = seconds(root, *command)
        locks[name] = YAML(typ="safe").load(root / "dvc.lock")
        print(f"  {name}: {took[name]:.1f} s", flush=True)
    one, flow, two = took
    assert locks[one] == locks[flow], "the flow left another lock file than dvc repro"
    compare("eight fine-tunes on two cores", min(took[one], took[two]), took[flow])


def seconds(root: Path, *command: str) -> float:
    start = time.perf_counter()
    subprocess.run(
        command,
        cwd=root,
        env=ENVIRONMENT,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return time.perf_counter() - start


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    else:
        YAML(typ="safe").dump(content, path)


def compare(what: str, plain: float, flow: float) -> None:
    print(f"{what}: dvc repro {plain:.1f} s, gpt1 run {flow:.1f} s; ratio {flow / plain:.2f}")


if __name__ == "__main__":
    main()
