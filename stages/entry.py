"""How every stage starts: arguments from its signature, params checked, one handler for errors."""

import argparse
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gpt1 import params
from gpt1.errors import UserError

T = TypeVar("T")


def section(cls: type[T], name: str) -> T:
    """The section `name` (such as `models.gpt`) of `params.yaml`, checked against `cls`."""
    values: Any = YAML(typ="safe").load(Path("params.yaml"))
    for part in name.split("."):
        if not isinstance(values, dict) or part not in values:
            raise UserError(f"params.yaml: the section {name} is missing")
        values = values[part]
    return params.parse(cls, values, name)


def sections(cls: type[T], name: str) -> dict[str, T]:
    """The sections below `name` (such as `models`), each checked against `cls`."""
    values: Any = YAML(typ="safe").load(Path("params.yaml"))
    return {each: section(cls, f"{name}.{each}") for each in values.get(name) or {}}


def check() -> None:
    """All that `params.yaml` says, before anything runs."""
    if (file := Path("params.yaml")).exists():  # a graph may have none
        try:
            values = YAML(typ="safe").load(file) or {}
        except YAMLError as error:
            raise UserError(f"{file}: not YAML: {' '.join(str(error).split())}") from None
        params.check(values)


def run(stage: Callable[..., None]) -> None:
    """Call `stage` with one `--name value` argument for each of its parameters; then exit."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(stage))
    for name, parameter in inspect.signature(stage).parameters.items():
        parser.add_argument(f"--{name.replace('_', '-')}", required=True, type=parameter.annotation)
    try:
        stage(**vars(parser.parse_args()))
    except UserError as error:
        sys.exit(f"error: {error}")
