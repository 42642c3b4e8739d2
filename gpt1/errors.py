"""The exception for errors that the user can correct."""

import difflib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Its message is one line that names the file, key or row at fault, and what to do."""


def refuse_unknown(keys: Collection[object], known: Collection[str], message: str) -> None:
    """Raise UserError for a key that is not in `known`, and suggest the closest one that is.

    message: the text before the suggestion, with `{}` for the key.
    """
    for key in sorted(set(map(str, keys)) - set(known)):
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
        raise UserError(f"{message.format(key)}; {hint}")


@contextmanager
def reading(place: Path | str, said: str) -> Iterator[None]:
    """Turn whatever a library raises for a damaged file into a UserError that names `place`.

    Libraries raise many kinds (zlib.error, EOFError, RecursionError), so that all are caught: put
    the library's call alone in the block. said: the text after the place, with `{}` for the reason.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        raise UserError(f"{place}: {said.format(one_line(error))}") from None


def one_line(error: Exception) -> str:
    """What a library says, in one line of 200 characters at most."""
    return " ".join(str(error).split())[:200] or type(error).__name__
