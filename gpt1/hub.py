"""Addresses of data sets on the Hugging Face hub (`hf://datasets/...`)."""

import re

from gpt1.errors import UserError

UNPINNED = re.compile(r"hf://datasets/[^/@]+/[^/@]+(/|$)")


def check_pinned(address: str, where: str) -> None:
    """Raise UserError for an address without a revision: its files may change without notice.

    where: the file or key that holds the address, for the message.
    """
    if UNPINNED.search(address):
        raise UserError(
            f"{where} names no revision; pin one: hf://datasets/OWNER/NAME@REVISION/..."
        )
