"""GPT-1: text, tokens, model, training, tasks and analysis, free of any workflow tool."""

from importlib import import_module
from typing import Any

_HOMES = {
    "BPETokenizer": "gpt1.tokens.bpe",
    "GPT": "gpt1.model.transformer",
    "TaskModel": "gpt1.tasks.model",
}
__all__ = ["GPT", "BPETokenizer", "TaskModel"]


def __getattr__(name: str) -> Any:
    """Import a public class when it is first used: torch takes seconds to load."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gpt1' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
