"""The exception for errors that the user can correct."""

import difflib
from collections.abc import Collection


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
