"""Books that come with a Python package: JSON lines with `book` and `text`."""

import json
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from ruamel.yaml import YAML

from gpt1.corpus.sources.book import Book
from gpt1.errors import UserError


def read(source: Path) -> Iterator[Book]:
    """The books of the package that a source file names, one line of text for each row."""
    place = YAML(typ="safe").load(source)
    with _locate(place["package"], place["file"], source).open(encoding="utf-8") as lines:
        for title, rows in groupby(map(json.loads, lines), key=itemgetter("book")):
            name = title.lower().replace(" ", "-")
            origin = f"{place['package']}/{place['file']}#{title}"
            yield Book(name, origin, "\n".join(row["text"] for row in rows) + "\n")


def _locate(package: str, file: str, source: Path) -> Path:
    """Through the list of installed files, for importing the package may need more than it says."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        raise UserError(f"{source}: the package {package} is not installed") from None
    for found in files:
        if str(found) == file:
            return Path(str(found.locate()))
    raise UserError(f"{source}: the package {package} has no file {file}")
