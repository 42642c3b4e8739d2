"""The exception for a book, or a part of one, that cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager

from gpt1.errors import one_line


class UnreadableError(Exception):
    """Its message is the fate of the book: one line, in which details follow a colon."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn any exception of the block into `UnreadableError`.

    On damaged files, zipfile, tarfile, the decompressors and the parsers raise errors of many
    kinds, RuntimeError and struct.error among them. So the block holds calls of these libraries
    alone: an error in our own code is no fault of the book.
    """
    try:
        yield
    except Exception as error:
        raise UnreadableError(f"broken {what}: {one_line(error)}") from error
