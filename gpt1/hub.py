"""Files at addresses that fsspec opens, such as those of the Hugging Face hub (`hf://...`)."""

import re
import shutil
from pathlib import Path
from urllib.parse import unquote

from gpt1.errors import UserError

ON_HUB = re.compile(r"hf://((?:(?:datasets|spaces|models)/)?[^/@]+/[^/@]+)(?:@([^/]*))?")
"""A repository on the hub and its revision; there may be one after `::` in an address."""
COMMIT = re.compile(r"[0-9a-f]{40}")


def check_pinned(address: str, where: str) -> None:
    """Raise UserError for an address on the hub that names no commit.

    A branch or a tag can move, and DVC, which sees the source file alone, would not notice.
    where: the file or key that holds the address, for the message.
    """
    for repository, revision in ON_HUB.findall(address):
        if not COMMIT.fullmatch(revision):
            moving = revision not in ("", "REVISION")
            fault = f"has {revision}, which can move, not" if moving else "does not have"
            if re.fullmatch(r"[0-9A-Fa-f]{7,40}", revision):  # `git ls-remote` finds no such ref
                raise UserError(f"{where} has {revision}; write all 40 digits of the hash, small")
            place = f"https://huggingface.co/{repository.removeprefix('models/')}"
            raise UserError(
                f"{where} {fault} a whole hash of a commit; pin hf://{repository}@HASH, the first "
                f"word of `git ls-remote {place} {unquote(revision) if moving else 'main'}`"
            )


def download(address: str, path: Path) -> None:
    """Copy what is at `address` to the file `path`. Raises UserError."""
    import fsspec

    try:
        with fsspec.open(address, "rb") as remote, path.open("wb") as local:
            shutil.copyfileobj(remote, local, 1 << 20)
    except Exception as error:  # each protocol raises its own exceptions
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{address}: cannot be read ({reason})") from None
