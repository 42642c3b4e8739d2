import json
from contextlib import nullcontext
from unittest.mock import Mock

import pytest
from ruamel.yaml import YAML

from gpt1.errors import UserError
from stages import report, tracking

COMPARE = {"tasks": ["book", "same_book"], "models": ["gpt", "scratch"], "seeds": [1, 2]}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with params and the files of every stage before the report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracking, "run", lambda: nullcontext(Mock()), raising=False)
    YAML().dump({"compare": COMPARE}, tmp_path / "params.yaml")
    for task in COMPARE["tasks"]:
        for place, model in enumerate(COMPARE["models"]):
            for seed in COMPARE["seeds"]:
                score(tmp_path, task, model, seed, 0.8 - 0.2 * place + 0.01 * seed)
    folder = tmp_path / "curves/pretrain"
    folder.mkdir(parents=True)
    (folder / "gpt.csv").write_text("update,loss,valid_loss\n10,6.5,\n20,5.25,5.5\n")
    (folder / "scratch.csv").write_text("update,loss,valid_loss\n")
    return tmp_path


def score(project, task, model, seed, value):
    path = project / f"metrics/evaluate/{task}-{model}-{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "task": task,
        "model": model,
        "seed": seed,
        "metric": "accuracy",
        "baseline": {"dev": 0.5, "test": 0.25},
        "splits": {"dev": {"accuracy": 0.11, "n": 7}, "test": {"accuracy": value, "n": 400}},
    }
    path.write_text(json.dumps(content))


def build(project, out="report"):
    report.main(project / "metrics", project / "curves", project / out)
    return (project / out / "report.md").read_text()


def test_the_table_has_each_score_its_baseline_split_size_and_seeds(project):
    lines = [line for line in build(project).splitlines() if line.startswith("| book ")]
    cells = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert cells[0] == "book"
    assert cells[1].startswith("81.5 ±")
    assert cells[2].startswith("61.5 ±")
    assert cells[3:] == ["25.0", "accuracy", "test", "400", "2"]


def test_a_comparison_that_was_taken_out_of_the_params_is_not_read(project):
    whole = build(project)
    score(project, "gone", "gpt", 1, 0.999)
    score(project, "book", "gpt", 9, 0.999)
    (project / "curves/pretrain/gone.csv").write_text("not a curve")
    assert build(project, "again") == whole


def test_two_reports_have_the_same_bytes(project):
    build(project)
    build(project, "again")
    names = sorted(path.name for path in (project / "report").iterdir())
    assert names == ["index.html", "loss.png", "report.md"]
    for name in names:
        first, second = project / "report" / name, project / "again" / name
        assert first.read_bytes() == second.read_bytes()


def test_a_model_without_pretraining_is_named_and_not_drawn(project):
    assert "`scratch` was trained for no update." in build(project)


@pytest.mark.parametrize("name", ["metrics/evaluate/book-gpt-2.json", "curves/pretrain/gpt.csv"])
@pytest.mark.parametrize("harm", ["missing", "cut short", "empty"])
def test_a_file_that_cannot_be_read_is_one_line_that_names_it(project, name, harm):
    build(project)
    before = (project / "report/report.md").read_bytes()
    path = project / name
    text = path.read_text()
    path.unlink()
    if harm != "missing":
        path.write_text(text[: text.index(",")] if harm == "cut short" else "")
    with pytest.raises(UserError, match=path.name) as error:
        build(project)
    assert "\n" not in str(error.value)
    assert (project / "report/report.md").read_bytes() == before
    assert {path.name for path in project.iterdir()} == {
        "metrics",
        "curves",
        "params.yaml",
        "report",
    }
