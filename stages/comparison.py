"""How MLflow shows the fine-tuned tasks side by side: the names it compares by, and a saved view.

MLflow stores a shared view as a tag of its experiment; the page's address contains the tag's key.
"""

import json
from typing import Any

KEY = "tasks"
COLUMNS = ("tags.`task`", "tags.`model`", "metrics.`main`", "metrics.`main_baseline`")
VIEW = {
    "searchFilter": "tags.stage LIKE 'finetune%'",
    "orderByKey": "tags.`task`",
    "orderByAsc": True,
    "selectedColumns": COLUMNS,
    "groupBy": {  # the mean over seeds
        "aggregateFunction": "average",
        "groupByKeys": [{"mode": "tag", "groupByData": name} for name in ("task", "model")],
    },
    "chartsSearchFilter": "^main$",
}
TAGS = {f"mlflow.sharedViewState.{KEY}": json.dumps(VIEW)}


def summary(scores: dict[str, Any]) -> tuple[dict[str, str], dict[str, float]]:
    """The params and metrics of a fine-tuning's run, from what `metrics.evaluate` returns.

    Metrics of each split are `SPLIT/NAME`. The main metric of the reported split is also `main`,
    whatever the task, so that one column compares all tasks. `evaluate@TASK` adds intervals.
    """
    from gpt1.tasks.metrics import reported_split  # costs a second, and `gpt1 up` does without

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
