"""The house stands as docs/architecture.md draws it."""

import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
from ruamel.yaml import YAML

from stages import state

ROOT = Path(__file__).parents[1]
HELPERS = {"continuing", "entry", "installed", "state"}
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


def test_the_repository_has_one_graph() -> None:
    """DVC takes each dvc.yaml and .dvc file in it for a part of the graph."""
    listed = ["git", "ls-files", "*dvc.yaml", "*.dvc"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["dvc.yaml"]


def test_every_stage_runs_its_own_module_and_depends_on_it() -> None:
    for name, stage in load("dvc.yaml")["stages"].items():
        body = stage.get("do", stage)
        module = body["cmd"].split()[2].removeprefix("stages.")
        assert body["cmd"].startswith(f"python -m stages.{module} "), name
        assert f"stages/{module}.py" in body["deps"], name


PLACES_THE_WORK = {f"stages.{name}" for name in HELPERS}
"""How a stage starts, is recorded and keeps its state: none of it changes a result."""


def test_a_stage_depends_on_every_room_that_its_module_reaches() -> None:
    house = grimp.build_graph("gpt1", "stages")
    for name, stage in load("dvc.yaml")["stages"].items():
        body = stage.get("do", stage)
        reached, found = {*()}, [body["cmd"].split()[2]]
        while found:
            module = found.pop()
            places_the_work = module in PLACES_THE_WORK or module.startswith("stages.tracking")
            if module not in reached and not places_the_work:
                reached.add(module)
                found += house.find_modules_directly_imported_by(module)
        for module in sorted(reached):
            path = module.replace(".", "/")
            if path.startswith("gpt1/") and path.count("/") == 1:
                continue  # what every room builds on
            covered = (f"{path}.py", *(str(parent) for parent in Path(path).parents), path)
            assert {*covered} & {*body["deps"]}, f"{name} misses {path}"


RESUMABLE = {"stages.pretrain": state.TRAINING} | dict.fromkeys(
    ["stages.finetune", "stages.finetune_no_auxiliary", "stages.finetune_transfer"],
    state.FINETUNING,
)


def test_the_state_of_a_training_depends_on_all_of_gpt1_that_its_stage_depends_on() -> None:
    seen = set()
    for name, stage in load("dvc.yaml")["stages"].items():
        body = stage.get("do", stage)
        if (module := body["cmd"].split()[2]) not in RESUMABLE:
            continue
        seen.add(module)
        for dep in body["deps"]:
            if dep.startswith("gpt1/"):
                rooms = {Path("gpt1") / code.relative_to(state.GPT1) for code in RESUMABLE[module]}
                assert rooms & {Path(dep), *Path(dep).parents}, f"{name}: {dep}"
    assert seen == {*RESUMABLE}


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


def test_the_documented_commands_of_pretraining_are_that_of_the_graph() -> None:
    command = load("dvc.yaml")["stages"]["pretrain"]["do"]["cmd"]
    command = command.replace("${key}", "gpt").replace("${item.shards}", "shards")
    expected = dict(re.findall(r"--(\w+) (\S+)", command))
    documented = (ROOT / "docs/training.md").read_text().split("stages.pretrain")[1:]
    assert len(documented) == 3
    for text in documented:
        options = text[: text.index("gpt.json") + len("gpt.json")]
        assert dict(re.findall(r"--(\w+)[ =]([^\s,]+)", options)) == expected
