"""Files at addresses that fsspec opens, such as those of the Hugging Face hub (`hf://...`)."""

import re
import shutil
from pathlib import Path

from gpt1.errors import UserError

UNPINNED = re.compile(r"hf://(datasets/|(?!datasets/))[^/@]+/[^/@]+(@REVISION|@main)?(/|$)")
"""An address on the hub without a revision, with the word that stands for one, or a moving one."""


def check_pinned(address: str, where: str) -> None:
    """Raise UserError for an address without a revision: its files may change without notice.

    where: the file or key that holds the address, for the message.
    """
    if found := UNPINNED.match(address):
        place = f"hf://{found[1]}OWNER/NAME@REVISION/..."
        fault = f"has {found[2][1:]} in place of a commit" if found[2] else "names no revision"
        raise UserError(f"{where} {fault}; pin one: {place}")


def download(address: str, path: Path) -> None:
    """Copy what is at `address` to the file `path`. Raises UserError."""
    import fsspec

    try:
        with fsspec.open(address, "rb") as remote, path.open("wb") as local:
            shutil.copyfileobj(remote, local, 1 << 20)
    except Exception as error:  # each protocol raises its own exceptions
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{address}: cannot be read ({reason})") from None
