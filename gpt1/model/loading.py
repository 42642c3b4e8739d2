"""Load a language model of any kind."""

from pathlib import Path

from gpt1.model.directory import read_config
from gpt1.model.language_model import LanguageModel
from gpt1.model.lstm import LSTM
from gpt1.model.transformer import GPT


def load_model(directory: Path) -> LanguageModel:
    """The model in `directory`, in evaluation mode; `model_type` in its config tells the kind.

    Raises UserError when a file is missing or damaged.
    """
    is_lstm = read_config(directory).get("model_type") == LSTM.MODEL_TYPE
    return (LSTM if is_lstm else GPT).load(directory)
