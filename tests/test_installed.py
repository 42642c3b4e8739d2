"""The wheel in an environment that has nothing else of ours, and projects of `gpt1 init`."""

import ast
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from gpt1.errors import UserError
from pipelines import extension
from pipelines.cli import app
from pipelines.extension import layout, template
from stages import installed
from tests.conftest import SITE, InstalledFolder, shrink, write_books

ROOT = Path(__file__).parents[1]


@pytest.fixture
def laid(tmp_path, environment):
    project = InstalledFolder(tmp_path, environment)
    project.gpt1("init", ".")
    return project


def test_the_wheel_has_one_package_at_the_top(environment):
    names = {path.name for path in (environment / SITE).iterdir()} - {"__pycache__"}
    assert {name for name in names if not re.search(r"^_virtualenv|\.(dist-info|pth)$", name)} == {
        "gpt1"
    }
    [top] = (environment / SITE).glob("gpt1-*.dist-info/top_level.txt")
    assert top.read_text().split() == ["gpt1"]


def test_nothing_in_the_wheel_imports_a_name_that_only_the_repository_has(wheel):
    with zipfile.ZipFile(wheel) as archive:
        modules = [name for name in archive.namelist() if name.endswith(".py")]
        assert len(modules) > 150
        for name in modules:
            for node in ast.walk(ast.parse(archive.read(name))):
                if isinstance(node, ast.ImportFrom):
                    imported = [node.module or ""]
                elif isinstance(node, ast.Import):
                    imported = [each.name for each in node.names]
                else:
                    continue
                tops = {each.partition(".")[0] for each in imported}
                assert not tops & {"stages", "pipelines"}, (name, node.lineno)


def test_the_build_of_the_image_sees_what_it_copies_and_what_the_wheel_is_made_from(wheel):
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    seen = {line[1:] for line in lines if line.startswith("!")}
    assert not [name for name in seen if not (ROOT / name).exists()]
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {name for words in copied for name in words.split()} - {"."} <= seen
    with zipfile.ZipFile(wheel) as archive:
        packed = [name.split("/", 2)[2] for name in archive.namelist() if "/_project/" in name]
    for name in packed:
        assert {name, *map(str, Path(name).parents)} & seen, name


def stages(file):
    """The stages of a `dvc.yaml`, by name, as the dict that has `cmd`."""
    found = YAML(typ="safe").load(file)["stages"]
    return {name: stage.get("do", stage) | stage for name, stage in found.items()}


def test_the_graph_of_a_laid_out_project_is_ours_but_for_the_code(laid):
    ours, theirs = stages(ROOT / "dvc.yaml"), stages(laid.root / "dvc.yaml")
    for name, stage in ours.items():
        module = stage["cmd"].split()[2]
        stage["cmd"] = stage["cmd"].replace(f"python -m {module} ", f"python -m gpt1._{module} ")
        data = [dep for dep in stage["deps"] if not dep.startswith(("gpt1/", "stages/"))]
        stage["deps"] = [*data, "gpt1.json"]
        for each in (stage, theirs[name]):
            each.pop("do", None)
    assert theirs == ours


def test_a_laid_out_project_has_our_params_corpora_and_profiles(laid):
    for name in ("params.yaml", "params.schema.json", ".gitignore", ".dvcignore", ".dvc/config"):
        assert (laid.root / name).read_text() == (ROOT / name).read_text()
    for folder in ("corpora", "hub", "profiles"):
        files = {path.name: path.read_text() for path in (ROOT / folder).iterdir()}
        assert {path.name: path.read_text() for path in (laid.root / folder).iterdir()} == files


@pytest.mark.slow
def test_a_laid_out_project_runs_outside_any_clone_to_the_table(laid, databases):
    laid.lay_out(databases)
    params = shrink(laid.read("params.yaml"))
    params["derived_tasks"].pop("book")
    params["compare"] |= {"tasks": ["next_sentence"], "models": ["gpt"]}
    params["models"].pop("scratch")
    laid.dump(params, "params.yaml")
    write_books(laid.root / "books")
    done = laid.gpt1("run")
    assert re.search(r"^ *next_sentence +\d+\.\d", done.stdout, re.MULTILINE)
    assert "Nothing to do" in laid.gpt1("run").stdout
    assert {e["path"] for e in laid.lock["stages"]["bpe@books"]["deps"]} == {
        "data/clean/train.parquet",
        "gpt1.json",
    }


def test_another_installed_package_makes_every_stage_run_again(laid, databases):
    laid.lay_out(databases)
    write_books(laid.root / "books")
    laid.dump(shrink(laid.read("params.yaml")), "params.yaml")
    laid.dvc("repro", "--single-item", "raw@books", "kept_weights@1")
    now = (laid.root / "gpt1.json").read_text()
    (laid.root / "gpt1.json").write_text(now.replace('"sha256": "', '"sha256": "0'))
    refused = laid.dvc("repro", "--single-item", "raw@books", check=False)
    assert refused.returncode
    assert "gpt1.json is not of the installed gpt1" in refused.stderr
    assert "all stages run again" in laid.gpt1("plan", "raw", "kept_weights").stderr
    assert (laid.root / "gpt1.json").read_text() == now
    assert "all stages run again" not in laid.gpt1("plan", "raw").stderr


def test_a_graph_of_other_code_than_the_installed_one_is_named(laid):
    graph = laid.root / "dvc.yaml"
    graph.write_text(graph.read_text().replace("--out data/raw", "--to data/raw"))
    (laid.root / "gpt1.json").write_text("{}")
    said = "dvc.yaml is not that of the installed gpt1; `gpt1 init . --update`"
    assert said in laid.gpt1("plan").stderr
    assert said not in laid.gpt1("plan").stderr


def test_the_digest_of_the_installed_code_changes_with_any_of_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(installed, "CODE", (tmp_path,))
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "a.py").write_text("1")
    first = installed.current()
    (tmp_path / "__pycache__" / "a.cpython-311.pyc").write_text("compiled")
    assert installed.current() == first
    (tmp_path / "a.py").write_text("2")
    assert installed.current() != first


def test_init_writes_over_nothing_and_names_what_is_in_the_way(tmp_path):
    (tmp_path / "params.yaml").write_text("mine")
    with pytest.raises(UserError, match=r"params\.yaml is there already"):
        layout.lay_out(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_init_names_what_is_in_the_folder_already(tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    said = CliRunner().invoke(app, ["init", str(tmp_path)]).stdout
    assert "a project beside books, notes.txt, not committed yet" in said
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["gpt1.py", "gpt1/__init__.py", "stages/__init__.py"])
def test_init_refuses_a_folder_whose_own_package_stages_would_import(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    package = name[:-3].partition("/")[0]
    with pytest.raises(UserError, match=rf"{name}: stages would import this `{package}` in place"):
        layout.lay_out(tmp_path)
    assert not (tmp_path / "dvc.yaml").exists()


def test_a_package_that_stages_would_import_is_named_before_a_run_and_an_update(
    tmp_path, monkeypatch
):
    layout.lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("gpt1.py").touch()
    for call in (extension.prepare, lambda: layout.update(Path())):
        with pytest.raises(UserError, match=r"^gpt1\.py: stages would import this `gpt1`"):
            call()


def test_a_lost_description_of_the_code_is_written_again_and_nothing_said(
    tmp_path, monkeypatch, capsys
):
    layout.lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = installed.FILE.read_bytes()
    installed.FILE.unlink()
    extension.prepare()
    assert installed.FILE.read_bytes() == before
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_line_ends_of_another_system_are_no_other_package(tmp_path, monkeypatch, capsys, ends):
    layout.lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    for file in (installed.FILE, Path("dvc.yaml")):
        file.write_bytes(file.read_bytes().replace(b"\n", ends))
    extension.prepare()
    installed.check()
    assert capsys.readouterr().err == ""


def test_a_description_that_is_no_text_is_one_of_another_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    installed.FILE.write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"gpt1\.json is not of the installed gpt1"):
        installed.check()


def test_init_of_an_empty_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "it is empty" in CliRunner().invoke(app, ["init", ""]).stderr
    assert not [*tmp_path.iterdir()]


def test_init_says_that_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file; name a folder"):
        layout.lay_out(tmp_path / "file")


def test_init_without_git_says_so_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="git is not installed"):
        layout.lay_out(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_init_in_a_git_repository_makes_no_other_and_keeps_its_ignored_files(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".gitignore").write_text("mine")
    layout.lay_out(tmp_path / "new")
    assert not (tmp_path / "new" / ".git").exists()
    lines = (tmp_path / "new" / ".gitignore").read_text().splitlines()
    assert {"mine", "/data/", "/models/"} <= {*lines}


@pytest.fixture
def upgraded(tmp_path, monkeypatch):
    """A project laid out by a package whose graph and schema another one has replaced since."""
    root, newer = tmp_path / "project", tmp_path / "newer"
    layout.lay_out(root)
    for name in ("dvc.yaml", *layout.SCHEMAS):
        (newer / name).parent.mkdir(parents=True, exist_ok=True)
        (newer / name).write_text((ROOT / name).read_text().replace("models", "names"))
    monkeypatch.setattr(template, "FOLDER", newer)
    return root


def update(root):
    return CliRunner().invoke(app, ["init", str(root), "--update"], standalone_mode=False)


def test_an_update_replaces_graph_and_schemas_by_the_installed_ones_and_nothing_else(upgraded):
    before = {
        p: p.read_text() for p in upgraded.rglob("*") if p.is_file() and ".git" not in p.parts
    }
    assert "replaced dvc.yaml, params.schema.json, profiles/params.schema.json" in (
        update(upgraded).stdout
    )
    changed = {str(p.relative_to(upgraded)) for p, text in before.items() if p.read_text() != text}
    assert changed == {"dvc.yaml", *layout.SCHEMAS}
    assert (upgraded / "dvc.yaml").read_text() == template.graph()
    assert "all is of the installed gpt1 already" in update(upgraded).stdout


def test_an_update_shows_what_differs_from_an_edited_graph_and_leaves_everything(upgraded):
    graph, schema = upgraded / "dvc.yaml", (upgraded / "params.schema.json").read_text()
    edited = graph.read_text().replace("stages:\n", "stages:\n  mine:\n    cmd: 'true'\n", 1)
    graph.write_text(edited)
    done = update(upgraded)
    assert isinstance(done.exception, UserError)
    assert re.fullmatch(r".*dvc\.yaml was edited, so it was not replaced: .*", str(done.exception))
    assert "\n-  mine:\n" in done.stdout
    assert "\n+" in done.stdout
    assert (graph.read_text(), (upgraded / "params.schema.json").read_text()) == (edited, schema)
    graph.unlink()
    assert "replaced dvc.yaml, params.schema.json" in update(upgraded).stdout


def test_a_folder_that_was_not_laid_out_is_not_updated(tmp_path):
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    with pytest.raises(
        UserError, match=r"gpt1\.json is missing, so `gpt1 init` did not lay it out"
    ):
        layout.update(tmp_path)
    assert (tmp_path / "dvc.yaml").read_text() == "stages: {}\n"


def test_a_graph_of_an_older_package_is_named_by_every_run_until_it_is_replaced(
    upgraded, monkeypatch, capsys
):
    monkeypatch.chdir(upgraded)
    for _ in range(2):
        template.tell_of_other_code(just_installed=False)
        assert "dvc.yaml is not that of the installed gpt1" in capsys.readouterr().err
    update(upgraded)
    template.tell_of_other_code(just_installed=False)
    assert capsys.readouterr().err == ""


def test_a_clone_lays_out_projects_that_run_its_modules(tmp_path):
    layout.lay_out(tmp_path)
    assert "python -m stages.raw " in (tmp_path / "dvc.yaml").read_text()
