"""One book as it was found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Book:
    """`id` is unique among the books of a source; `origin` tells where exactly it came from."""

    id: str
    origin: str
    text: str
