"""Readers of raw books: a folder, one file, a Python package, or an address that fsspec opens."""

from gpt1.corpus.sources.book import Book
from gpt1.corpus.sources.reader import file_stats, read_books
from gpt1.corpus.sources.store import store_books

__all__ = ["Book", "file_stats", "read_books", "store_books"]
