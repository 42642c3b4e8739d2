"""The files of a vocabulary: ours, those released with the paper, and those of `transformers`.

| files | written by |
|---|---|
| `vocab.json`, `merges.txt`, with added tokens `added_tokens.json` | us, older `transformers` |
| `tokenizer.json`, which is read first | today's `transformers` |
| `encoder_bpe_40000.json`, `vocab_40000.bpe` | the code released with the paper |

The symbols tell the kind: GPT-2's are runs of bytes, and it has one for each byte.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from gpt1.errors import UserError
from gpt1.files import read_json

UNKNOWN = "<unk>"
END_OF_WORD = "</w>"
TOKENIZER, ADDED = "tokenizer.json", "added_tokens.json"
PAIRS = [("vocab.json", "merges.txt"), ("encoder_bpe_40000.json", "vocab_40000.bpe")]
"""Names of the symbols' file and the merges' file."""
MODEL = {"type": "BPE", "unk_token": UNKNOWN, "end_of_word_suffix": END_OF_WORD}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
"""What GPT-2's `tokenizer.json` does to a text before it is encoded."""
UNUSED = ("dropout", "continuing_subword_prefix", "fuse_unk", "byte_fallback", "ignore_merges")
"""Keys of the model in `tokenizer.json`: with these values, and without those, it encodes as we do.
What it does to a text before is its own, and not read."""
LARGEST = 1 << 16
"""Token ids are stored as uint16."""


class Vocabulary(NamedTuple):
    symbols: dict[str, int]
    """Symbol -> id."""
    merges: list[tuple[str, str]]
    """Pairs of symbols, by rank."""
    added: dict[str, int]
    """Tokens that were added after training, such as `[PAD]`: no text is encoded as one."""

    @property
    def digest(self) -> str:
        """SHA-256 of the content, whatever files it came from."""
        return hashlib.sha256(json.dumps(self, sort_keys=True).encode()).hexdigest()

    @property
    def is_byte_level(self) -> bool:
        """Whether it is GPT-2's kind: GPT-1's lacks capital letters, so that bytes are missing."""
        return _has_bytes(self.symbols)

    @property
    def unmerged(self) -> list[str]:
        """Symbols of several characters that no merge makes, such as `<|endoftext|>`."""
        merged = {a + b for a, b in self.merges}
        several = (s for s in self.symbols if len(s.removesuffix(END_OF_WORD)) > 1)
        return [symbol for symbol in several if symbol not in merged]


def read_vocabulary(folder: Path) -> Vocabulary:
    """Raises UserError when the files are missing, damaged or do not belong together."""
    if (file := folder / TOKENIZER).is_file():
        said = f"{file}: no vocabulary of a GPT-1 or GPT-2 ({{}})"
        return _checked(partial(_read_tokenizer, file), said)
    for names in PAIRS:
        files = [folder / name for name in names]
        if all(file.is_file() for file in files):
            said = f"{folder}: {' and '.join(names)} do not belong together ({{}}); copy both again"
            return _checked(partial(_read_pair, *files), said)
    missing = [name for name in PAIRS[0] if not (folder / name).is_file()]
    raise UserError(
        f"{folder}: no {' and no '.join(missing)}; copy vocab.json and merges.txt of one "
        f"vocabulary there, or its {TOKENIZER}"
    )


def write_vocabulary(folder: Path, vocabulary: Vocabulary) -> None:
    """Write `vocab.json`, `merges.txt` and, where there are any, the added tokens."""
    _write_json(folder / "vocab.json", vocabulary.symbols)
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in vocabulary.merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    if vocabulary.added:
        _write_json(folder / ADDED, vocabulary.added)


def _checked(read: Callable[[], Vocabulary], said: str) -> Vocabulary:
    try:
        found = read()
        _check(found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(said.format(error)) from None
    return found


def _read_pair(symbols: Path, merges: Path) -> Vocabulary:
    lines = merges.read_text("utf-8-sig").split("\n")[1:]
    pairs = [(a, b) for a, b in (line.split(" ") for line in lines if line)]
    added = symbols.with_name(ADDED)
    more = read_json(added) if added.is_file() else {}
    return _without_repeats(read_json(symbols), pairs, more)


def _read_tokenizer(file: Path) -> Vocabulary:
    values = read_json(file)
    model = {"type": "BPE"} | values["model"]  # old files lack the type
    is_byte_level = _has_bytes(model["vocab"])
    right = {"type": "BPE"} if is_byte_level else MODEL
    unused = (*UNUSED, "end_of_word_suffix") if is_byte_level else UNUSED
    wrong = [key for key, value in right.items() if model.get(key) != value]
    for key in [*wrong, *(key for key in unused if model.get(key))]:
        raise ValueError(f"model.{key} is {model.get(key)!r}")
    if is_byte_level:
        _check_byte_level(values)
    pairs = [each.split(" ") if isinstance(each, str) else each for each in model["merges"]]
    added = {each["content"]: each["id"] for each in values.get("added_tokens") or []}
    return _without_repeats(model["vocab"], [(a, b) for a, b in pairs], added)


def _without_repeats(
    symbols: dict[str, int], merges: list[tuple[str, str]], added: dict[str, int]
) -> Vocabulary:
    """`transformers` lists `<unk>` among the added tokens, though it is a symbol."""
    for ids in (symbols, added):
        if not isinstance(ids, dict):
            raise ValueError("the symbols and their ids are no JSON object")
        for token, id in ids.items():
            if type(token) is not str or type(id) is not int:
                raise ValueError(f"the token {token!r} has the id {id!r}")
    for token in added.keys() & symbols.keys():
        if added[token] != symbols[token]:
            raise ValueError(f"{token} has the ids {symbols[token]} and {added[token]}")
    return Vocabulary(symbols, merges, {t: id for t, id in added.items() if t not in symbols})


def _check(vocabulary: Vocabulary) -> None:
    symbols, merges, added = vocabulary
    ids: list[Any] = sorted([*symbols.values(), *added.values()])
    if ids != [*range(len(ids))] or len(ids) > LARGEST:
        raise ValueError(f"the ids are not those from 0 to {len(ids) - 1}, at most {LARGEST:,}")
    if UNKNOWN not in symbols and not vocabulary.is_byte_level:
        raise ValueError(f"there is no {UNKNOWN}, and not the 256 bytes of a GPT-2")
    # as when the merges file was truncated
    for symbol in vocabulary.unmerged:
        if not (symbol.startswith("<") and symbol.endswith(">")):
            raise ValueError(f"no merge makes {symbol}")
    for symbol in (s for pair in merges for s in (*pair, "".join(pair))):
        if symbol not in symbols:
            raise ValueError(f"a merge has {symbol}, which has no id")


def _check_byte_level(tokenizer: dict[str, Any]) -> None:
    """Raises ValueError where `tokenizer.json` prepares a text in another way than GPT-2's does."""
    if tokenizer.get("normalizer"):
        raise ValueError(f"normalizer is {tokenizer['normalizer']!r}")
    before = tokenizer.get("pre_tokenizer") or {}
    for key, value in BYTE_LEVEL.items():
        if before.get(key, True) != value:  # older files lack use_regex
            raise ValueError(f"pre_tokenizer.{key} is {before.get(key)!r}")


def _has_bytes(symbols: Iterable[str]) -> bool:
    return _byte_symbols() <= {*symbols}


@cache
def _byte_symbols() -> frozenset[str]:
    """The printable characters that stand for the 256 bytes."""
    from tokenizers.pre_tokenizers import ByteLevel

    return frozenset(ByteLevel.alphabet())


def _write_json(file: Path, values: dict[str, int]) -> None:
    file.write_text(json.dumps(values, ensure_ascii=False) + "\n", "utf-8")
