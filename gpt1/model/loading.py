"""Load a language model of any kind."""

from pathlib import Path

from gpt1.errors import UserError
from gpt1.model.directory import CONFIG, read_config
from gpt1.model.gpt2 import GPT2
from gpt1.model.language_model import LanguageModel
from gpt1.model.lstm import LSTM
from gpt1.model.transformer import GPT

TRANSFORMERS = {network.LAYOUT.model_type: network for network in (GPT, GPT2)}
"""By `model_type` in the config."""


def load_model(directory: Path) -> LanguageModel:
    """The model in `directory`, in evaluation mode; `model_type` in its config tells the kind.

    Raises UserError when a file is missing or damaged, or for another kind.
    """
    if read_config(directory).get("model_type") == LSTM.MODEL_TYPE:
        return LSTM.load(directory)
    return transformer(directory).load(directory)


def transformer(directory: Path) -> type[GPT]:
    """The kind of transformer in `directory`. Raises UserError for another network."""
    kind = read_config(directory).get("model_type")
    if kind not in TRANSFORMERS:
        known = " nor ".join(map(repr, TRANSFORMERS))
        raise UserError(f"{Path(directory) / CONFIG}: model_type is {kind!r}, neither {known}")
    return TRANSFORMERS[kind]
