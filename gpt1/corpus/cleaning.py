"""One raw book to one clean text, on its own: what can be done by many workers at once."""

import hashlib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gpt1.corpus import boilerplate, quality
from gpt1.corpus.boilerplate import Removed
from gpt1.corpus.paragraphs import unwrap
from gpt1.corpus.shingles import bands, minhash, normal_words, runs, shingles
from gpt1.params import Clean
from gpt1.tokens.fix import fix

PASSAGE_WORDS = 100
"""Shorter passages are not compared: songs, refrains and formulas are no duplicates."""
PIECE = pa.schema(
    [
        ("book", pa.string()),
        ("text", pa.string()),
        ("raw_words", pa.int64()),
        ("words", pa.int64()),
        ("removed", pa.list_(pa.struct([("kind", pa.string()), ("text", pa.string())]))),
        ("language", pa.string()),
        ("reason", pa.string()),
        ("digest", pa.string()),
        ("bands", pa.list_(pa.uint64())),
        ("passages", pa.list_(pa.int64())),
        ("passage_bands", pa.list_(pa.list_(pa.uint64()))),
    ]
)


@dataclass(frozen=True)
class Cleaned:
    """A book as it came out; `reason` tells why it is dropped, empty where it is kept."""

    book: str
    text: str
    raw_words: int
    words: int
    removed: list[Removed]
    language: str
    reason: str
    digest: str = ""
    bands: list[int] = field(default_factory=list)
    passages: list[int] = field(default_factory=list)
    """The number of each passage that is long enough."""
    passage_bands: list[list[int]] = field(default_factory=list)

    def save(self, piece: Path) -> None:
        """Write a Parquet file with one row."""
        row = vars(self) | {"removed": [asdict(span) for span in self.removed]}
        pq.write_table(pa.Table.from_pylist([row], PIECE), piece)

    @classmethod
    def load(cls, piece: Path) -> "Cleaned":
        """What `save` wrote, without the text and the passages: too large to hold for all books."""
        names = [name for name in PIECE.names if name not in ("text", "passages", "passage_bands")]
        (row,) = pq.read_table(piece, columns=names).to_pylist()
        removed = [Removed(**span) for span in row["removed"]]
        return cls(**row | {"text": "", "removed": removed})


def clean_book(path: Path, params: Clean) -> Cleaned:
    """Fix, strip, unwrap, judge and sketch the book in `path`."""
    raw = path.read_text("utf-8")
    stripped, removed = boilerplate.strip(fix(raw))
    text = unwrap(stripped)
    words = text.split()
    language = quality.language(text) if params.language else ""
    reason = quality.reason(text, words, language, params)
    book = Cleaned(path.stem, text, len(raw.split()), len(words), removed, language, reason)
    return book if reason else _sketched(book, params)


def passages(text: str) -> list[str]:
    """A text cut after lines that their own content marks, one in eight.

    So a story is cut at the same places in whatever anthology it stands.
    """
    found, lines = [], []
    for line in text.splitlines(keepends=True):
        lines.append(line)
        if len(line) > 40 and hashlib.blake2b(line.strip().encode()).digest()[0] % 8 == 0:
            found.append("".join(lines))
            lines = []
    return [*found, "".join(lines)] if lines else found


def _sketched(book: Cleaned, params: Clean) -> Cleaned:
    words = normal_words(book.text)
    numbers, sketches = [], []
    for number, passage in enumerate(passages(book.text)):
        passage_words = normal_words(passage)
        if len(passage_words) >= PASSAGE_WORDS:
            numbers.append(number)
            sketches.append(bands(minhash(runs(passage_words)), params.similar_passages).tolist())
    return replace(
        book,
        digest=hashlib.sha256(" ".join(words).encode()).hexdigest(),
        bands=bands(minhash(shingles(words)), params.similar_books).tolist(),
        passages=numbers,
        passage_bands=sketches,
    )
