"""The fine-tuned tasks side by side in MLflow: a view that is saved with the experiment.

MLflow keeps a view that was shared as a tag of its experiment, under the key in its address.
"""

import json

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


def page(address: str, experiment: str) -> str:
    """Where the server at `address` shows it; beside the table there are charts."""
    return f"{address}/#/experiments/{experiment}/runs?viewStateShareKey={KEY}"
