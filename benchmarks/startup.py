"""Where the seconds of a stage go that has next to nothing to do.

    python benchmarks/startup.py [alone]

The stages are those of the demo on a few examples, one update a fine-tuning. Imports are counted by
the library that the stage's module asked for them first (`python -X importtime`, self times), the
rest of the command is the stage's own work. This process records the stages in MLflow, as
`gpt1 run` does; with `alone` they record themselves, as with `dvc repro`. DVC's part is what
`gpt1 run` adds to the command: in the first stage of a process that reproduces stages, and in the
next ones. The best of three.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from orchestration import ENVIRONMENT, ROOT, seconds, write
from ruamel.yaml import YAML

from pipelines.execution.local import LocalExecutor
from pipelines.extension import recorder
from pipelines.graph import graph

STAGES = (
    "kept_weights@1",
    "derived_task@book",
    "tokens@book",
    "finetune@book-gpt-1",
    "evaluate@book",
)
LIBRARIES = {
    "torch": "torch",
    "mlflow": "MLflow",
    "sqlalchemy": "MLflow",
    "spacy": "spaCy, ftfy",
    "ftfy": "spaCy, ftfy",
    "numpy": "arrays",
    "pandas": "arrays",
    "pyarrow": "arrays",
}
REPEATS = 3


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        root = Path(folder) / "clone"
        project(root)
        os.chdir(root)
        os.environ |= ENVIRONMENT
        repo = graph.open_project()
        if "alone" not in sys.argv:
            os.environ |= running.enter_context(recorder())
        stages = graph.load(repo).stages
        columns = ("command", "Python", *dict.fromkeys(LIBRARIES.values()), "others", "work",
                   "DVC first", "DVC next")  # fmt: skip
        print("stage".ljust(24) + "".join(column.rjust(12) for column in columns))
        for name in [name for name in STAGES if name in stages]:
            command = shlex.split(repo.stage.collect(name)[0].cmd)
            row = measure(command)
            executor = LocalExecutor(repo, force=True)
            first, *later = (executor.run(stages[name], Silent()).seconds for _ in range(4))
            executor.close()
            row |= {"DVC first": first - row["command"], "DVC next": min(later) - row["command"]}
            print(name.ljust(24) + "".join(f"{row[column]:12.2f}" for column in columns))


class Silent:
    """A listener that hears nothing."""

    def line(self, stage: str, text: str) -> None: ...

    def progress(self, stage: str, text: str) -> None: ...


def project(root: Path) -> None:
    subprocess.run(["git", "clone", "-q", ROOT, root], check=True)
    params = YAML(typ="safe").load(root / "params.yaml")
    for model in params["models"].values():
        model |= {"epochs": 0}
    for task in params["derived_tasks"].values():
        task |= {"train": 32, "dev": 16, "test": 16}
    for task in params["finetune"].values():
        task |= {"epochs": 1}
    params["compare"] |= {"tasks": ["book"], "models": ["gpt"]}
    write(root / "params.yaml", params)
    seconds(root, "dvc", "repro", "-q", "evaluate@book")


def measure(command: list[str]) -> dict[str, float]:
    """The seconds of a command, and where they go."""
    took = min(timed(command) for _ in range(REPEATS))
    python = min(timed([sys.executable, "-c", "pass"]) for _ in range(REPEATS))
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command[1:]],
        check=True,
        capture_output=True,
        text=True,
    )
    imports = Counter(dict.fromkeys(["others", *LIBRARIES.values()], 0.0))
    for part, module in owners(done.stderr):
        imports[LIBRARIES.get(module.partition(".")[0], "others")] += part
    return {
        "command": took,
        "Python": python,
        "work": max(0.0, took - python - sum(imports.values())),
        **imports,
    }


def owners(report: str) -> list[tuple[float, str]]:
    """The seconds of each import, with the outermost module of a library in LIBRARIES around it."""
    lines = re.findall(r"import time:\s+(\d+) \|\s+\d+ \| ( *)(\S+)", report)
    found, around = list[tuple[float, str]](), list[tuple[int, str]]()
    for own, indent, module in reversed(lines):  # a module comes after what it imports
        depth = len(indent)
        while around and around[-1][0] >= depth:
            around.pop()
        known = [name for _, name in around if name.partition(".")[0] in LIBRARIES]
        found.append((int(own) / 1e6, known[0] if known else module))
        around.append((depth, module))
    return found


def timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
