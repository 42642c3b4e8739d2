"""One book from the content of one file: plain text, gzip or EPUB, chosen by the file's name."""

import gzip
import io
from collections.abc import Callable

from gpt1.corpus.sources import book
from gpt1.corpus.sources.book import Book
from gpt1.corpus.sources.encoding import decode
from gpt1.corpus.sources.epub import read_epub
from gpt1.corpus.sources.unreadable import UnreadableError, reading

SUFFIXES = (".txt", ".txt.gz", ".epub")


def read_file(name: str, origin: str, read: Callable[[], bytes]) -> Book:
    """Read one book; one that is `UnreadableError` carries its message as the drop reason.

    read: returns the content of the file.
    """
    try:
        content = book.check_size(read())
        if name.lower().endswith(".epub"):
            return Book.from_text(name, origin, *read_epub(content))
        if name.lower().endswith(".gz"):
            content = _unpack_gzip(content)
        return Book.from_text(name, origin, decode(content))
    except UnreadableError as error:
        return Book(name, origin, "", str(error))


def _unpack_gzip(content: bytes) -> bytes:
    """Unpack at most `MAX_BYTES`, so that a small file cannot fill the memory."""
    with reading("gzip"):
        unpacked = gzip.GzipFile(fileobj=io.BytesIO(content)).read(book.MAX_BYTES + 1)
    return book.check_size(unpacked)
