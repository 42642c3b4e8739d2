"""A task's examples from its files: the paper's, from official files or a hub, or one's own."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpt1.errors import UserError
from gpt1.params import OwnTask
from gpt1.tasks import metrics, registry, table
from gpt1.tasks.formats.declared import Source, declared, source
from gpt1.tasks.formats.files import opened
from gpt1.tasks.formats.reading import Reading
from gpt1.tasks.table import Example, Task


@dataclass(frozen=True)
class Loaded:
    task: Task
    examples: list[Example]
    warnings: Sequence[str]


def official(name: str, path: Path) -> Loaded:
    """The paper's task `name`; `path` is a folder, an archive, or a source file (`.yaml`).

    A split of another size than its authors publish is a warning that names the file. Raises
    UserError for files that are not the task's.
    """
    if name not in registry.TASKS:
        raise UserError(
            f"params.yaml: tasks.{name} is no task of the paper ({', '.join(registry.TASKS)}); for "
            "your own give shape, labels, metrics, files and columns too: docs/tasks.md"
        )
    entry = registry.TASKS[name]
    reading = Reading(entry.task, entry.spellings or entry.task.labels)
    if path.suffix == ".yaml":
        found = source(path)
        reading.spellings = found.labels or reading.spellings
        declared(found, path.parent, reading)
    else:
        with opened(path) as root:
            entry.read(root, reading)
    sizes = table.sizes(reading.examples)
    for split, count in (entry.counts | reading.counts).items():
        if split in reading.files and sizes.get(split) != count:
            reading.warn(
                f"{reading.files[split]}: {sizes.get(split, 0):,} examples of {split}, where the "
                f"authors publish {count:,}"
            )
    return _loaded(reading)


def own(name: str, path: Path, params: OwnTask) -> Loaded:
    """A task that its params declare in full."""
    task = Task(name, params.shape, tuple(params.metrics), tuple(params.labels))
    known = metrics.fitting(task)
    for metric in params.metrics or [""]:
        if metric not in known:
            raise UserError(
                f"params.yaml: tasks.{name}.metrics: {metric!r} is none of {', '.join(known)}, "
                f"which fit {params.shape} with {len(params.labels)} labels"
            )
    reading = Reading(task, task.labels)
    if path.suffix == ".yaml":
        declared(source(path), path.parent, reading)
    else:
        with opened(path) as root:
            declared(Source(params.files, params.columns), root, reading)
    loaded = _loaded(reading)
    if all(example.target is None for example in loaded.examples if example.split != "train"):
        raise UserError(
            f"task {name}: no split but train has labels, so nothing can be scored; give it a dev "
            "file with labels"
        )
    return loaded


def _loaded(reading: Reading) -> Loaded:
    """Raises UserError for a split of which nothing is left."""
    sizes = table.sizes(reading.examples)
    for split, file in reading.files.items():
        if split not in sizes:
            about = [each for each in reading.warnings if each.startswith(f"{file}, ")]
            why = about[0] if about else "it has no rows"
            raise UserError(
                f"{file}: nothing in it is an example of {split} for {reading.task.name} ({why})"
            )
    task = dataclasses.replace(reading.task, dropped=dict(reading.dropped))
    return Loaded(task, reading.examples, reading.warnings)
