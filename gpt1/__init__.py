"""GPT-1: text, tokens, model, training, tasks and analysis, free of any workflow tool."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpt1.model.language_model import LanguageModel

_HOMES = {
    "BPETokenizer": "gpt1.tokens.bpe",
    "GPT": "gpt1.model.transformer",
    "GPT2": "gpt1.model.gpt2",
    "TaskModel": "gpt1.tasks.model",
    "UserError": "gpt1.errors",
    "load_tokenizer": "gpt1.tokens.tokenizer",
}
__all__ = ["GPT", "GPT2", "BPETokenizer", "TaskModel", "UserError", "load", "load_tokenizer"]


def load(directory: Path | str) -> "LanguageModel":
    """Load the network in a model directory, whichever kind its config names; `save` writes one.

    Raises UserError when a file is missing or damaged, or for a kind that is not known.
    """
    from gpt1.model.loading import load_model

    return load_model(Path(directory))


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: torch takes seconds to load."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gpt1' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
