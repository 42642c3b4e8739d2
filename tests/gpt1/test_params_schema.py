"""`params.schema.json`, by which editors complete and check `params.yaml`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from gpt1 import params

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "params.yaml", *sorted((ROOT / "profiles").glob("*.yaml"))]
SCHEMA = json.loads((ROOT / "params.schema.json").read_text())
SHIPPED = YAML(typ="safe").load(ROOT / "params.yaml")
GPT = SHIPPED["models"]["gpt"]


def test_the_committed_schema_is_what_the_command_writes() -> None:
    command = [sys.executable, "-m", "gpt1.params"]
    written = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "params.schema.json").read_text() == written


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_file_of_params_names_the_schema_and_fits_it(file: Path) -> None:
    first = file.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=params.schema.json"
    assert (file.parent / "params.schema.json").samefile(ROOT / "params.schema.json")
    Draft202012Validator(SCHEMA).validate(YAML(typ="safe").load(file))


@pytest.mark.parametrize(
    "change",
    [
        {"compare": None},
        {"models": {"gpt": GPT | {"layer": 3}}},
        {"models": {"gpt": {"layers": 3}}},
        {"models": {"gpt": GPT | {"dropout": 1.0}}},
        {"models": {"gpt": GPT | {"precision": "fp64"}}},
        {"models": {"../gpt": GPT}},
        {"compare": SHIPPED["compare"] | {"seeds": [1, 1]}},
        {"corpus": ["novels"]},
        {"tasks": {"mine": {"path": "x", "shape": "entailment"}}},
    ],
)
def test_the_schema_refuses_what_one_key_shows_to_be_wrong(change: dict) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid(SHIPPED | change)
    assert Draft202012Validator(SCHEMA).is_valid(SHIPPED | {"plots": {"width": 3}})


def test_every_key_is_described_and_shows_the_value_of_the_paper() -> None:
    sections = SCHEMA["$defs"]
    for name, section in sections.items():
        assert section["description"], name
        for key, about in section["properties"].items():
            assert about.get("description"), f"{name}.{key}"
    keys = sections["Model"]["properties"]
    assert keys["width"]["description"].endswith("In the paper: 768.")
    assert keys["width"]["examples"] == [768]
    assert "paper" not in keys["seed"]["description"]
    shown = {key for key, about in keys.items() if "In the paper" in about["description"]}
    assert shown == set(params.paper(params.Model))
