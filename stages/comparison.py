"""The fine-tuned tasks side by side in MLflow: their scores, and a view that is saved there.

MLflow keeps a view that was shared as a tag of its experiment, under the key in its address.
"""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages import tracking

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


def record(run: "tracking.Run", scores: dict[str, Any]) -> None:
    """Scores into the run of their fine-tuning; the main one is `main` whatever the task."""
    from gpt1.tasks.metrics import reported_split

    for split, measured in scores["splits"].items():
        numbers = {name: value for name, value in measured.items() if name != "interval"}
        run.metrics({f"{split}/{name}": value for name, value in numbers.items()})
    if scores["splits"]:
        split = reported_split(list(scores["splits"]))
        measured = scores["splits"][split]
        low, high = measured["interval"]
        run.params({"metric": scores["metric"], "split": split})
        run.metrics({"main": measured[scores["metric"]], "main_low": low, "main_high": high})
        run.metrics({"main_baseline": scores["baseline"][split]})


def page(address: str, experiment: str) -> str:
    """Where the server at `address` shows it; beside the table there are charts."""
    return f"{address}/#/experiments/{experiment}/runs?viewStateShareKey={KEY}"
