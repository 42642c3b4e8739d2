"""What a grid of fine-tunes costs beside its training: one update each, on a few rows.

    python benchmarks/grid.py [TASKS MODELS SEEDS]

By default the paper's comparison: 12 tasks, 5 models, 10 seeds. Prints the seconds of `gpt1 run`
with all to do and with nothing to do, of `gpt1 plan` and `dvc status`, and what they leave.
"""

import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from orchestration import ROOT, seconds, write
from ruamel.yaml import YAML


def main() -> None:
    tasks, models, seeds = map(int, sys.argv[1:] or (12, 5, 10))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "clone"
        project(root, tasks, models, seeds)
        prepared = seconds(root, "gpt1", "run", "pretrain", "task")
        print(f"{tasks} x {models} x {seeds} = {tasks * models * seeds} fine-tunes")
        print(f"tasks and models, not counted below: {prepared:.0f} s", flush=True)
        for name, command in {
            "gpt1 run, all to do": ("gpt1", "run"),
            "gpt1 run, nothing to do": ("gpt1", "run"),
            "gpt1 plan": ("gpt1", "plan"),
            "dvc status": ("dvc", "status"),
        }.items():
            print(f"{name:24}{seconds(root, *command):9.1f} s", flush=True)
        with sqlite3.connect(root / ".mlflow/mlflow.db") as database:
            for table in ("runs", "metrics"):
                [(rows,)] = database.execute(f"SELECT COUNT(*) FROM {table}")
                print(f"MLflow's {table:15}{rows:9} rows")
        for path in (".dvc/cache", ".mlflow", "finetuned"):
            done = subprocess.run(["du", "-sm", root / path], check=True, capture_output=True)
            print(f"{path:24}{int(done.stdout.split()[0]):9} MB")


def project(root: Path, tasks: int, models: int, seeds: int) -> None:
    """A clone with networks of one layer, and tasks of 32 rows a split that are all alike."""
    subprocess.run(["git", "clone", "-q", ROOT, root], check=True)
    rows = "".join(f"text {n} of a row\t{n % 2}\n" for n in range(32))
    for split in ("train", "test"):
        write(root / f"real/rows/{split}.tsv", "text\tlabel\n" + rows)
    params = YAML(typ="safe").load(root / "params.yaml")
    params["bpe"] |= {"merges": 200}
    gpt = params["models"]["gpt"] | {"epochs": 0, "layers": 1, "width": 32, "heads": 2}
    own = {
        "path": "real/rows",
        "shape": "classification",
        "labels": ["0", "1"],
        "metrics": ["accuracy"],
        "files": {"train": "train.tsv", "test": "test.tsv"},
        "columns": {"text": "text", "target": "label"},
    }
    recipe = params["finetune"]["book"] | {"epochs": 1}
    names = [f"task_{n}" for n in range(tasks)]
    params |= {
        "derived_tasks": {},
        "models": {"gpt": gpt} | {f"gpt_{n}": gpt | {"seed": n} for n in range(2, models + 1)},
        "tasks": dict.fromkeys(names, own),
        "finetune": dict.fromkeys(names, recipe),
    }
    params["compare"] |= {
        "tasks": names,
        "models": [*params["models"]],
        "seeds": [*range(1, seeds + 1)],
    }
    write(root / "params.yaml", params)


if __name__ == "__main__":
    main()
