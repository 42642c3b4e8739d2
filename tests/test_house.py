"""The house stands as docs/architecture.md draws it."""

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
HELPERS = {"entry", "tracking", "work"}
STAGES = sorted({path.stem for path in (ROOT / "stages").glob("[a-z]*.py")} - HELPERS)


def load(name: str) -> dict:
    return YAML(typ="safe").load(ROOT / name)


def test_imports_only_go_down_the_floors() -> None:
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    found = subprocess.run(
        [sys.executable, "-c", lint], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout[-2000:]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_module_stays_under_a_hundred_lines(name: str) -> None:
    assert len((ROOT / f"stages/{name}.py").read_text().splitlines()) < 100


def test_every_stage_runs_its_own_module_and_depends_on_it() -> None:
    for name, stage in load("dvc.yaml")["stages"].items():
        body = stage.get("do", stage)
        module = body["cmd"].split()[2].removeprefix("stages.")
        assert body["cmd"].startswith(f"python -m stages.{module} "), name
        assert f"stages/{module}.py" in body["deps"], name


def test_every_code_dependency_exists() -> None:
    for name, stage in load("dvc.yaml")["stages"].items():
        for dep in stage.get("do", stage)["deps"]:
            if dep.startswith(("gpt1/", "stages/")):
                assert (ROOT / dep).exists(), (name, dep)


def test_every_listed_task_and_model_has_its_section() -> None:
    params = load("params.yaml")
    compare = params["compare"]
    assert set(compare["tasks"]) <= set(params["finetune"])
    assert set(compare["models"]) <= set(params["models"])
