"""The set-up: what make finds and installs on machines with other Pythons and package clients."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "constraints.txt").read_text(encoding="utf-8")
PIP = [sys.executable, "-m", "pip"]


@pytest.fixture
def install(monkeypatch):
    """scripts/install.py as a module, with pip's settings of this machine out of the way."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.chdir(ROOT)
    spec = importlib.util.spec_from_file_location("install", ROOT / "scripts" / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_file_satisfies_every_requirement_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = dict(re.findall(r"^([\w.-]+)==([^ ;]+)", LOCK, re.MULTILINE))
    extras = project["optional-dependencies"].values()
    for text in [*project["dependencies"], *(each for extra in extras for each in extra)]:
        requirement = Requirement(text)
        if requirement.name == project["name"]:  # one of its own extras
            continue
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{text} is locked at {version}; make lock"


def test_the_lock_file_has_a_hash_for_every_package_and_no_address():
    entries = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) > 200
    assert not [entry for entry in entries if "--hash=sha256:" not in entry]
    assert "://" not in LOCK


def chosen_python(folder, **commands):
    """What `make setup` would run where the path has just these commands, and make's own."""
    for name, script in commands.items():
        file = folder / name.replace("_", ".")
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    for name in ("env", "make", "sh", "touch"):
        where = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout
        (folder / name).symlink_to(where.strip())
    return subprocess.run(
        ["make", "--dry-run", "setup", "VENV=none"],
        cwd=ROOT,
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_takes_the_first_python_that_runs_whatever_others_are_called(tmp_path):
    fails, runs = "exit 127", f'exec {sys.executable} "$@"'
    done = chosen_python(tmp_path, python3_11=fails, python3_12=fails, python3_13=runs)
    assert done.stdout.startswith("python3.13 scripts/install.py none")


def test_without_a_python_that_runs_make_says_in_one_line_what_to_do(tmp_path):
    done = chosen_python(tmp_path, python3_11="exit 127", python3="exit 127")
    assert done.returncode == 2
    assert re.search(r"no Python 3.11 to 3.13 .* runs here; install one .*PYTHON=", done.stderr)
    assert len(done.stderr.splitlines()) == 1


def wheel(folder, version):
    """A package that is called torch and holds nothing, as a real wheel."""
    name = f"torch-{version}"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as archive:
        for file, text in {
            "METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }.items():
            archive.writestr(f"{name}.dist-info/{file}", text)


@pytest.mark.parametrize(("local", "offered"), [("+cpu", True), ("", False)])
def test_a_cpu_build_that_pip_is_set_up_to_take_is_found(
    install, tmp_path, monkeypatch, local, offered
):
    version = install.locked("torch")
    wheel(tmp_path, f"{version}{local}")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_IGNORE_INSTALLED", "1")  # the one of these tests
    assert install.pip_settings(PIP)["find-links"] == str(tmp_path)
    assert install.offers_cpu_build(PIP, f"torch=={version}") is offered


def test_pip_that_is_not_set_up_has_no_settings_of_an_index(install):
    assert not install.pip_settings(PIP).keys() & {*install.INDEX_SETTINGS}


def test_where_nobody_activated_the_environment_stages_find_its_python(project):
    project.write({"s": {"cmd": "python -c 'import sys; print(sys.prefix)' > s", "outs": ["s"]}})
    command = [f"{sys.prefix}/bin/dvc", "repro"]
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(project.root), "DVC_NO_ANALYTICS": "1"}
    subprocess.run(command, cwd=project.root, env=plain, check=True, capture_output=True)
    assert (project.root / "s").read_text().strip() == sys.prefix
