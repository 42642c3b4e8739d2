"""How every stage starts: arguments from its signature, params checked, one handler for errors."""

import argparse
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gpt1 import files, params
from gpt1.errors import UserError

T = TypeVar("T")


def values(root: Path = Path()) -> dict[str, Any]:
    """All of `params.yaml` below `root`; empty where there is none. Raises UserError."""
    file = root / "params.yaml"
    return files.read_yaml(file) if file.is_file() else {}


def section(cls: type[T], name: str) -> T:
    """The section `name` (such as `models.gpt`) of `params.yaml`, checked against `cls`."""
    found: Any = values()
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            raise UserError(f"params.yaml: the section {name} is missing")
        found = found[part]
    return params.parse(cls, found, name)


def sections(cls: type[T], name: str) -> dict[str, T]:
    """The sections below `name` (such as `models`), each checked against `cls`."""
    return {each: section(cls, f"{name}.{each}") for each in values().get(name) or {}}


def check() -> None:
    """All that `params.yaml` says, before anything runs."""
    params.check(values())


def run(stage: Callable[..., None]) -> None:
    """Call `stage` with one `--name value` argument for each of its parameters; then exit."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(stage))
    for name, parameter in inspect.signature(stage).parameters.items():
        parser.add_argument(f"--{name.replace('_', '-')}", required=True, type=parameter.annotation)
    try:
        stage(**vars(parser.parse_args()))
    except UserError as error:
        sys.exit(f"error: {error}")
