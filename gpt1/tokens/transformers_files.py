"""The files by which `transformers` finds the tokenizer of a model directory.

`AutoTokenizer.from_pretrained(DIRECTORY)` gives the library's own tokenizer of the first GPT, which
has this vocabulary but splits text as BERT does: other ids for curly quotes, `don't` and line ends.
With `trust_remote_code=True` it runs `tokenization_gpt1.py`, which gives the ids of `BPETokenizer`
and needs this package.
"""

import json
from collections.abc import Collection
from pathlib import Path

from gpt1.tokens.vocabulary import END_OF_WORD, UNKNOWN

MODULE, CLASS = "tokenization_gpt1", "GPT1Tokenizer"
CODE = f'''"""The tokenizer that this model was trained with; it needs the package gpt1."""

from gpt1.harness.tokenizer import {CLASS}

__all__ = ["{CLASS}"]
'''


def write_transformers_files(folder: Path, symbols: Collection[str]) -> None:
    """Write `tokenizer_config.json`, `special_tokens_map.json` and `tokenization_gpt1.py`."""
    special = special_tokens(symbols)
    config = special | {
        "auto_map": {"AutoTokenizer": [f"{MODULE}.{CLASS}", None]},
        "clean_up_tokenization_spaces": False,
        "tokenizer_class": "OpenAIGPTTokenizer",
    }
    for name, values in (("tokenizer_config", config), ("special_tokens_map", special)):
        (folder / f"{name}.json").write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
    (folder / f"{MODULE}.py").write_text(CODE)


def special_tokens(symbols: Collection[str]) -> dict[str, str]:
    """The symbol for each of the tokens that other libraries ask for; none of them is new.

    GPT-1 has learned no token for a beginning or an end. A text begins after a full stop, as in our
    zero-shot scores, and generation ends at a line end. Padding comes after a text, where the
    causal mask makes it harmless; any id does.
    """
    begin, end = (
        symbol if symbol in symbols else UNKNOWN
        for symbol in (f".{END_OF_WORD}", f"\n{END_OF_WORD}")
    )
    return {"bos_token": begin, "eos_token": end, "pad_token": UNKNOWN, "unk_token": UNKNOWN}
