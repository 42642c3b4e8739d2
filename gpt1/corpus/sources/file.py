"""One book from the content of one file: plain text, gzip or EPUB, chosen by the file's name."""

import gzip
import io
import zlib

from gpt1.corpus.sources.book import MAX_BYTES, Book
from gpt1.corpus.sources.epub import read_epub

SUFFIXES = (".txt", ".txt.gz", ".epub")


def read_file(name: str, origin: str, content: bytes) -> Book:
    """Read one book; broken content gives a book with a drop reason."""
    if name.lower().endswith(".epub"):
        return read_epub(name, origin, content)
    if name.lower().endswith(".gz"):
        return _read_gzip(name, origin, content)
    return Book.from_bytes(name, origin, content)


def _read_gzip(name: str, origin: str, content: bytes) -> Book:
    """Unpack at most `MAX_BYTES`, so that a small file cannot fill the memory."""
    try:
        unpacked = gzip.GzipFile(fileobj=io.BytesIO(content)).read(MAX_BYTES + 1)
    except (EOFError, OSError, zlib.error) as error:
        return Book(name, origin, "", f"broken gzip: {error}")
    return Book.from_bytes(name, origin, unpacked)
