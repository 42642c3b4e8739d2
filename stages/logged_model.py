"""What MLflow runs to answer with a fine-tuned model; `tracking.Run.model` logs this very file.

The model stays where its stage wrote it, below `finetuned/`: the configuration points there, and
holds a digest of the classifier, which no two fine-tunings share.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from gpt1 import files
from gpt1.device import use_cores
from gpt1.errors import UserError
from gpt1.tasks.model import TaskModel


class FineTuned(PythonModel):
    """Texts, or rows with text, text_pair and choices, to labels and probabilities."""

    def load_context(self, context: PythonModelContext) -> None:
        config = context.model_config
        directory = Path(config["directory"])
        use_cores()
        self.model = TaskModel.load(directory)
        if digest(directory) != config["digest"]:
            raise UserError(
                f"{directory} holds another model by now; `gpt1 checkout {config['run']}` brings "
                "back the one of this run"
            )

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,  # other hints are a schema to MLflow, which refuses bare texts
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        return self.model.predict(rows(model_input))


def rows(given: Any) -> list[Any]:
    """What callers and MLflow's server give: a text, a row, a list or an array of them, a table."""
    if isinstance(given, pd.DataFrame):
        return given.astype(object).where(given.notna(), None).to_dict("records")
    if isinstance(given, str | dict):
        given = [given]
    return [_plain(row) for row in given]


def _plain(row: Any) -> Any:
    """The server makes arrays of a row's values."""
    if isinstance(row, dict):
        return {key: _plain(value) for key, value in row.items()}
    return row.tolist() if isinstance(row, np.ndarray) else row


def digest(directory: Path) -> str:
    return files.digest(directory / "head.safetensors")


set_model(FineTuned())
