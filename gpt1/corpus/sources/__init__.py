"""Where books come from: a folder, a file, a package or an address."""

from gpt1.corpus.sources.book import Book
from gpt1.corpus.sources.read import read, stamp
from gpt1.corpus.sources.store import store

__all__ = ["Book", "read", "stamp", "store"]
