"""Addresses on the Hugging Face hub."""

import re

from gpt1.errors import UserError

UNPINNED = re.compile(r"hf://datasets/[^/@]+/[^/@]+(/|$)")


def check_pinned(address: str, where: str) -> None:
    """Raise UserError for a data set without a revision: its files may change under the name."""
    if UNPINNED.search(address):
        raise UserError(
            f"{where} names no revision; pin one: hf://datasets/OWNER/NAME@REVISION/..."
        )
