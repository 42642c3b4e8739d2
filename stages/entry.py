"""How every stage starts: its arguments, its checked params, and one error handler."""

import argparse
import inspect
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gpt1 import files, params
from gpt1.environment import Environment
from gpt1.errors import UserError
from stages import installed

T = TypeVar("T")


def values(root: Path = Path()) -> dict[str, Any]:
    """All of `params.yaml` below `root`; {} without that file. Raises UserError if invalid."""
    file = root / (Environment.read().params or "params.yaml")
    return files.read_yaml(file) if file.is_file() else {}


def section(cls: type[T], name: str) -> T:
    """The section `name` (such as `models.gpt`) of `params.yaml`, checked against `cls`."""
    content: Any = values()
    for part in name.split("."):
        if not isinstance(content, dict) or part not in content:
            raise UserError(f"params.yaml: the section {name} is missing")
        content = content[part]
    return params.parse(cls, content, name)


def sections(cls: type[T], name: str) -> dict[str, T]:
    """The sections below `name` (such as `models`), each checked against `cls`."""
    return {each: section(cls, f"{name}.{each}") for each in values().get(name) or {}}


def check() -> None:
    """Check all of `params.yaml`, before anything runs. Raises UserError."""
    found = params.check(values())
    if found and found.zero_shot.tasks:
        from gpt1.analysis.zero_shot.heuristics import heuristic_for
        from gpt1.tasks import derived, registry

        shapes = {name: task.shape for name, task in derived.TASKS.items()}
        shapes |= {name: each.task.shape for name, each in registry.TASKS.items()}
        shapes |= {n: t.shape for n, t in found.tasks.items() if isinstance(t, params.OwnTask)}
        for name in found.zero_shot.tasks:
            heuristic_for(name, shapes.get(name, ""))


def run(stage: Callable[..., None]) -> None:
    """Call `stage` with one required `--name value` argument for each of its parameters.

    A UserError ends the process with its message and exit code 1, Ctrl-C silently with 130.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=inspect.getdoc(stage))
    for name, parameter in inspect.signature(stage).parameters.items():
        parser.add_argument(f"--{name.replace('_', '-')}", required=True, type=parameter.annotation)
    try:
        installed.check()
        stage(**vars(parser.parse_args()))
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
