"""The code that MLflow runs to serve a fine-tuned model; `MLflowRun.model` logs this file.

The model stays in its folder below `finetuned/`. The logged configuration holds the path and a
digest of the head, which no two fine-tunings share.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from gpt1 import files
from gpt1.device import use_cores
from gpt1.errors import UserError
from gpt1.tasks.model import HEAD, TaskModel
from gpt1.tasks.table import Example

logger = logging.getLogger(__name__)


class FineTuned(PythonModel):
    """Answers texts, or rows with text, text_pair and choices, as `TaskModel.predict` does."""

    def load_context(self, context: PythonModelContext) -> None:
        config = context.model_config
        directory = Path(config["directory"])
        use_cores()
        self.model = TaskModel.load(directory)
        if digest(directory) != config["digest"]:
            raise UserError(
                f"{directory} now holds another model; `gpt1 checkout {config['run']}` "
                "restores the one of this run"
            )

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,  # from other hints MLflow derives a schema without plain texts
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        return self.model.predict(rows(model_input))


def rows(given: Any) -> list[Any]:
    """Convert the input to a list of texts or rows: one of either, a list or array, or a table.

    A table may have columns that a task has not; one line names them.
    """
    if isinstance(given, pd.DataFrame):
        ignored = [name for name in given if name not in Example.__slots__]
        if ignored:
            logger.warning("columns that are ignored: %s", ", ".join(map(str, ignored)))
        given = given.drop(columns=ignored)
        return given.astype(object).where(given.notna(), None).to_dict("records")
    if isinstance(given, str | dict):
        given = [given]
    return [_plain(row) for row in given]


def _plain(row: Any) -> Any:
    """MLflow's server converts the values of a row to arrays; convert them back."""
    if isinstance(row, dict):
        return {key: _plain(value) for key, value in row.items()}
    return row.tolist() if isinstance(row, np.ndarray) else row


def digest(directory: Path) -> str:
    """SHA-256 of the head's file."""
    return files.sha256(directory / HEAD)


set_model(FineTuned())
