"""Load a task's examples from its files: a task of the paper, or one that params.yaml declares."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpt1.errors import UserError
from gpt1.params import OwnTask
from gpt1.tasks import metrics, registry, table
from gpt1.tasks.formats.collector import ExampleCollector
from gpt1.tasks.formats.mapped import MappedFiles, collect_mapped, read_source_file
from gpt1.tasks.formats.official_files import unpacked
from gpt1.tasks.table import Example, Task

OPTIONAL = ("test", "dev_mismatched", "diagnostic")
"""Beginnings of the splits that a task may lack."""


@dataclass(frozen=True)
class LoadedTask:
    task: Task
    examples: list[Example]
    warnings: Sequence[str]


def official(name: str, path: Path) -> LoadedTask:
    """Load the paper's task `name` from a folder, an archive, or a source file (`.yaml`).

    A split of another size than its authors publish is a warning that names the file. Raises
    UserError for files of another task.
    """
    if name not in registry.TASKS:
        raise UserError(
            f"params.yaml: tasks.{name} is not a task of the paper ({', '.join(registry.TASKS)}); "
            "for your own give shape, labels, metrics, files and columns too: docs/tasks.md"
        )
    entry = registry.TASKS[name]
    collector = ExampleCollector(entry.task, entry.raw_labels or entry.task.labels)
    if path.suffix == ".yaml":
        _collect_source_file(path, collector)
    else:
        with unpacked(path) as root:
            collector.source, collector.root = path, root
            entry.reader(root, collector)
    sizes = table.split_sizes(collector.examples)
    for split, count in (entry.published_sizes | collector.published_sizes).items():
        if split in collector.files and sizes.get(split) != count:
            collector.warn(
                f"{collector.files[split]}: {sizes.get(split, 0):,} examples of {split}, where the "
                f"authors publish {count:,}"
            )
    return _loaded(collector)


def own(name: str, path: Path, params: OwnTask) -> LoadedTask:
    """Load a task that its params declare in full."""
    for label in params.labels:
        if params.labels.count(label) > 1:
            raise UserError(f"params.yaml: tasks.{name}.labels has {label!r} twice")
    task = Task(name, params.shape, tuple(params.metrics), tuple(params.labels))
    valid = metrics.valid_metrics(task)
    for metric in params.metrics or [""]:
        if metric not in valid:
            raise UserError(
                f"params.yaml: tasks.{name}.metrics: {metric!r} is none of {', '.join(valid)}, "
                f"which are valid for {params.shape} with {len(params.labels)} labels"
            )
    collector = ExampleCollector(task, task.labels)
    if path.suffix == ".yaml":
        _collect_source_file(path, collector)
    else:
        with unpacked(path) as root:
            collector.source, collector.root = path, root
            collect_mapped(MappedFiles(params.files, params.columns), root, collector)
    loaded = _loaded(collector)
    if all(example.target is None for example in loaded.examples if example.split != "train"):
        raise UserError(
            f"task {name}: only train has labels, so nothing can be scored; add a dev file with "
            "labels"
        )
    return loaded


def _collect_source_file(path: Path, collector: ExampleCollector) -> None:
    """Collect from the files that a source file names, with its labels where it gives some."""
    mapped, own = read_source_file(path), collector.task.labels
    if mapped.labels and len(mapped.labels) != len(collector.raw_labels):
        raise UserError(
            f"{path}: labels has {len(mapped.labels)}, the task {collector.task.name} has "
            f"{len(own)} ({', '.join(own)}); give one for each, in this order"
        )
    collector.raw_labels = mapped.labels or collector.raw_labels
    collector.source = collector.root = path.parent
    collect_mapped(mapped, path.parent, collector)


def _loaded(collector: ExampleCollector) -> LoadedTask:
    """Raises UserError for a split without any example, unless its file is empty and optional."""
    sizes = table.split_sizes(collector.examples)
    for split, file in collector.files.items():
        about = [each for each in collector.warnings if each.startswith(f"{file}, ")]
        if split not in sizes and not about and split.startswith(OPTIONAL) and sizes:
            collector.warn(f"{file}: it has no rows, so there is no {split} split")
        elif split not in sizes:
            why = about[0] if about else "it has no rows"
            raise UserError(
                f"{file}: no row is an example of {split} for {collector.task.name} ({why})"
            )
    if collector.dropped:
        counts = (f"{count:,} for {reason}" for reason, count in collector.dropped.items())
        collector.warn(f"rows dropped: {', '.join(counts)}")
    task = dataclasses.replace(collector.task, dropped=dict(collector.dropped))
    return LoadedTask(task, collector.examples, collector.warnings)
