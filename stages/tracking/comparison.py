"""How MLflow shows the compared tasks and models: the names of their scores, and a saved view.

The view lists one run for each task and model, with the mean over seeds and its interval. MLflow's
page can group the fine-tunes itself, but only the 100 runs that it has loaded, those of earlier
params among them, and without an interval.

MLflow stores a shared view as a tag of its experiment; the page's address contains the tag's key.
"""

import json
from typing import Any

KEY = "tasks"
TAG = f"mlflow.sharedViewState.{KEY}"
COLUMNS = (
    *(f"tags.`{name}`" for name in ("task", "model")),
    *(f"metrics.`{name}`" for name in ("mean", "low", "high", "seeds", "baseline")),
    *(f"params.`{name}`" for name in ("metric", "split")),
)


def view(comparison: str) -> str:
    """The saved view of the runs with the tag `comparison`, by task and then newest first."""
    shown = {
        "searchFilter": f"tags.comparison = '{comparison}'",
        "orderByKey": "tags.`task`",  # by date the page would fold them below their parent
        "orderByAsc": True,
        "selectedColumns": COLUMNS,
        "columnOrder": COLUMNS,
        "columnWidths": dict.fromkeys(COLUMNS, 70),
        "runsHiddenMode": "SHOW_ALL",
        "chartsSearchFilter": "^mean$",
    }
    return json.dumps(shown)


def summary(scores: dict[str, Any]) -> tuple[dict[str, str], dict[str, float]]:
    """The params and metrics of a fine-tuning's run, from what `metrics.evaluate` returns.

    Metrics of each split are `SPLIT/NAME`. The main metric of the reported split is also `main`,
    whatever the task, so that one column compares all tasks. `evaluate@TASK` adds intervals.
    """
    from gpt1.tasks.metrics import reported_split  # with pyarrow, which many stages do without

    numbers = {
        f"{split}/{name}": value
        for split, measured in scores["splits"].items()
        for name, value in measured.items()
    }
    if not scores["splits"]:
        return {}, numbers
    metric, split = scores["metric"], reported_split(list(scores["splits"]))
    measured = scores["splits"][split]
    main = {"main": measured[metric], "main_baseline": scores["baseline"][split]}
    return {"metric": metric, "split": split}, numbers | main


def page(address: str, experiment: str) -> str:
    """The address of the view on the MLflow server at `address`."""
    return f"{address}/#/experiments/{experiment}/runs?viewStateShareKey={KEY}"
