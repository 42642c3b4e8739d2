"""The comparison of tasks and models in MLflow."""

import json

import pandas as pd
import pytest
from ruamel.yaml import YAML
from scipy import stats
from selenium.webdriver.support.wait import WebDriverWait

from pipelines import extension
from pipelines.flow import servers
from stages.tracking import mlflow_run
from tests.conftest import ROOT

SEEDS = [1, 2, 3]


HEAD = ["task", "model", "mean", "low", "high", "seeds", "baseline"]
TABLE = """
const row = of => [...of.querySelectorAll("[col-id]")]
    .filter(cell => cell.innerText.trim())
    .sort((a, b) => a.getBoundingClientRect().x - b.getBoundingClientRect().x)
    .map(cell => cell.innerText.trim());
const rows = ".ag-header-viewport .ag-header-row, .ag-center-cols-container .ag-row";
return [...document.querySelectorAll(rows)]
    .sort((a, b) => a.getBoundingClientRect().y - b.getBoundingClientRect().y).map(row);
"""
"""The rows of the page's table from top to bottom, each from left to right."""


@pytest.fixture
def compared(project, databases):
    """A project with the scores of two tasks, two models and three seeds."""
    project.lay_out(databases)
    (project.root / "stages").mkdir()
    (project.root / "stages/entry.py").touch()  # by which the driver knows this project
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params["compare"] |= {"tasks": ["rte", "cola"], "models": ["gpt", "scratch"], "seeds": SEEDS}
    project.dump(params, "params.yaml")
    score(project, "rte", gpt=[0.7, 0.72, 0.77], scratch=[0.5, 0.5, 0.53])
    score(project, "cola", gpt=[0.4, 0.45, 0.47], scratch=[0.0, 0.01, 0.02])
    return project


def score(project, task, **models):
    """Write what `evaluate@TASK` does."""
    cells = {
        f"{model}-{seed}": {
            "metric": "accuracy",
            "splits": {"dev": {"accuracy": value, "n": 9, "interval": [0.1, 0.9]}},
            "baseline": {"dev": 0.5},
            "sha256": task,
        }
        for model, values in models.items()
        for seed, value in zip(SEEDS, values, strict=False)
    }
    folder = project.root / "metrics/evaluate"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{task}.json").write_text(json.dumps(cells))
    samples = project.root / f"metrics/resampled/{task}.parquet"
    samples.parent.mkdir(exist_ok=True)
    of_cells = {name: [cell["splits"]["dev"]["accuracy"]] * 3 for name, cell in cells.items()}
    pd.DataFrame(of_cells).to_parquet(samples)


def shown(client, experiment):
    """The runs that the saved view lists, as MLflow's page asks for them."""
    view = json.loads(client.get_experiment(experiment).tags["mlflow.sharedViewState.tasks"])
    order = [f"{view['orderByKey']} {'ASC' if view['orderByAsc'] else 'DESC'}"]
    return client.search_runs([experiment], view["searchFilter"], order_by=order)


def record(project):
    """Record the comparison; (task, model, mean) of each row of the saved view."""
    client, experiment = mlflow_run.connect(project.root)
    extension.record_comparison(client, experiment)
    runs = shown(client, experiment)
    return [(*(r.data.tags[k] for k in ("task", "model")), r.data.metrics["mean"]) for r in runs]


def interval(values):
    """By SciPy's own function."""
    mean, error = sum(values) / len(values), stats.sem(values)
    low, high = stats.t.interval(0.95, len(values) - 1, mean, error)
    return [f"{round(100 * value, 1):g}" for value in (mean, low, high)]


def table_below_head(browser):
    """The four rows of the table, once the page has drawn them all."""
    table = [row[: len(HEAD)] for row in browser.execute_script(TABLE)]
    below = table[table.index(HEAD) + 1 :] if HEAD in table else []
    return [len(row) for row in below] == [len(HEAD)] * 4 and below


FIRST = [
    ("cola", "gpt", 44.0),
    ("cola", "scratch", 1.0),
    ("rte", "gpt", 73.0),
    ("rte", "scratch", 51.0),
]


@pytest.mark.slow
def test_the_page_has_mean_and_interval_of_each_task_and_model_without_a_click(compared, browser):
    server = servers.start(compared.root, "mlflow")
    try:
        browser.get(extension.comparison_page(compared.root, server.address))

        table = WebDriverWait(browser, 60).until(table_below_head)
    finally:
        servers.stop(compared.root, "mlflow")
    assert table == [
        ["cola", "gpt", *interval([0.4, 0.45, 0.47]), "3", "50"],
        ["cola", "scratch", *interval([0.0, 0.01, 0.02]), "3", "50"],
        ["rte", "gpt", *interval([0.7, 0.72, 0.77]), "3", "50"],
        ["rte", "scratch", *interval([0.5, 0.5, 0.53]), "3", "50"],
    ]


def test_scores_of_an_earlier_run_are_not_among_those_of_now(compared):
    assert record(compared) == FIRST
    score(compared, "cola", gpt=[0.8, 0.8, 0.8], scratch=[0.1, 0.1, 0.1])
    assert record(compared) == [("cola", "gpt", 80.0), ("cola", "scratch", 10.0), *FIRST[2:]]


def test_scores_that_come_back_from_the_cache_are_shown_and_not_recorded_again(compared):
    record(compared)
    client, experiment = mlflow_run.connect(compared.root)
    score(compared, "rte", gpt=[0.8, 0.8, 0.8], scratch=[0.1, 0.1, 0.1])
    record(compared)
    before = len(client.search_runs([experiment]))
    score(compared, "rte", gpt=[0.7, 0.72, 0.77], scratch=[0.5, 0.5, 0.53])
    assert record(compared) == FIRST
    assert len(client.search_runs([experiment])) == before


def test_a_task_is_left_out_until_all_its_scores_are_there(compared):
    score(compared, "cola", gpt=[0.4], scratch=[0.0, 0.01, 0.02])
    assert record(compared) == FIRST[2:]


def test_a_comparison_that_was_killed_half_way_is_not_shown(compared, monkeypatch):
    client, _ = mlflow_run.connect(compared.root)
    with monkeypatch.context() as killed:
        killed.setattr(type(client), "set_terminated", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            record(compared)
    assert record(compared) == FIRST


def test_ablations_are_rows_as_well(compared):
    params = compared.read("params.yaml") | {"no_auxiliary": {"tasks": ["rte"], "seeds": [1, 2]}}
    compared.dump(params, "params.yaml")
    score(compared, "rte", gpt=[0.7] * 3, scratch=[0.5] * 3, no_auxiliary=[0.6, 0.7])
    assert ("rte", "no_auxiliary", 65.0) in record(compared)


def test_seeds_that_agree_have_an_interval_of_no_width(compared):
    score(compared, "rte", gpt=[0.7] * 3, scratch=[0.5] * 3)
    record(compared)
    last = shown(*mlflow_run.connect(compared.root))[-1].data.metrics
    assert (last["low"], last["mean"], last["high"]) == (50.0, 50.0, 50.0)


def test_each_seed_is_a_point_of_its_row(compared):
    record(compared)
    client, experiment = mlflow_run.connect(compared.root)
    first = shown(client, experiment)[0]
    points = client.get_metric_history(first.info.run_id, "score")
    assert [(point.step, point.value) for point in points] == [(1, 40.0), (2, 45.0), (3, 47.0)]


def test_where_the_params_of_now_have_no_scores_nothing_is_shown(compared):
    record(compared)
    for file in (compared.root / "metrics/evaluate").iterdir():
        file.unlink()
    assert record(compared) == []


def test_a_task_whose_models_were_scored_on_different_tables_is_left_out(compared):
    file = compared.root / "metrics/evaluate/cola.json"
    cells = json.loads(file.read_text())
    cells["scratch-1"]["sha256"] = "another"
    file.write_text(json.dumps(cells))
    assert record(compared) == FIRST[2:]
