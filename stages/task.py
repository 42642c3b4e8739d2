"""`task@NAME`: a task of the paper, or one that params.yaml declares, from its files."""

import sys
from pathlib import Path

from gpt1.params import OfficialTask, OwnTask
from gpt1.tasks import load, registry, table
from stages import entry, tracking


def main(task: str, path: Path, out: Path) -> None:
    """Load the task from the files at `path`, and write its table."""
    if task in registry.TASKS:
        params: OfficialTask | OwnTask = entry.section(OfficialTask, f"tasks.{task}")
        loaded = load.official(task, path)
    else:
        params = entry.section(OwnTask, f"tasks.{task}")
        loaded = load.own(task, path, params)
    for warning in loaded.warnings:
        print(f"warning: {task}: {warning}", file=sys.stderr)
    table.write_task(loaded.task, loaded.examples, out)
    with tracking.run() as run:
        run.params(params)
        run.metrics(
            {f"{split}_examples": n for split, n in table.split_sizes(loaded.examples).items()}
        )
        run.metrics({f"dropped/{reason}": n for reason, n in loaded.task.dropped.items()})


if __name__ == "__main__":
    entry.run(main)
