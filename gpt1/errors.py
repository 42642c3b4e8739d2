"""The one exception that is meant for people."""

import difflib
from collections.abc import Collection


class UserError(Exception):
    """One line that names the file, key or row at fault, and the way out."""


def refuse_unknown(keys: Collection[object], known: Collection[str], said: str) -> None:
    """Raise UserError for a key that is none of `known`, with the nearest one that is.

    `said` is the message up to the hint, with `{}` for the key.
    """
    for key in sorted(set(map(str, keys)) - set(known)):
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
        raise UserError(f"{said.format(key)}; {hint}")
