"""Cleaning of one book by itself, so that many workers can clean books in parallel."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gpt1.corpus.boilerplate import RemovedSpan, strip_boilerplate
from gpt1.corpus.markup import drop_marks
from gpt1.corpus.paragraphs import unwrap
from gpt1.corpus.quality import detect_language, drop_reason
from gpt1.corpus.shingles import lsh_bands, minhash, ngram_hashes, normal_words, shingles
from gpt1.params import Clean
from gpt1.tokens.fix_text import LONGEST, fix_text

PASSAGE_WORDS = 100
"""Shorter passages are not compared: a song, a refrain or a formula is not a duplicate."""
SUSPICIOUS = 0.5
"""A book is doubted above this share of removed characters."""
SCHEMA = pa.schema(
    [
        ("book", pa.string()),
        ("text", pa.string()),
        ("raw_words", pa.int64()),
        ("words", pa.int64()),
        ("removed", pa.list_(pa.struct([("kind", pa.string()), ("text", pa.string())]))),
        ("language", pa.string()),
        ("reason", pa.string()),
        ("doubt", pa.string()),
        ("digest", pa.string()),
        ("bands", pa.list_(pa.uint64())),
        ("passages", pa.list_(pa.int64())),
        ("passage_bands", pa.list_(pa.list_(pa.uint64()))),
    ]
)


@dataclass(frozen=True)
class CleanedBook:
    """A cleaned book, and what it is compared with others by."""

    book: str
    """Its id."""
    text: str
    raw_words: int
    words: int
    removed: list[RemovedSpan]
    language: str
    """ISO 639 code; empty if the params name no language."""
    reason: str
    """Why the book is dropped; empty: it is kept."""
    doubt: str = ""
    """What a person should look at; empty: nothing."""
    digest: str = ""
    """SHA-256 of its normalised words."""
    bands: list[int] = field(default_factory=list)
    """LSH bands of the whole book."""
    passages: list[int] = field(default_factory=list)
    """The number of each passage of at least `PASSAGE_WORDS`."""
    passage_bands: list[list[int]] = field(default_factory=list)
    """LSH bands of each of these passages."""

    def save(self, path: Path) -> None:
        """Write a Parquet file with one row."""
        row = vars(self) | {"removed": [span._asdict() for span in self.removed]}
        pq.write_table(pa.Table.from_pylist([row], SCHEMA), path)

    @classmethod
    def load(cls, path: Path) -> "CleanedBook":
        """Read a saved book without text and passages, which for all books would fill memory."""
        left_out = ("text", "passages", "passage_bands")
        names = [name for name in SCHEMA.names if name not in left_out]
        (row,) = pq.read_table(path, columns=names).to_pylist()
        removed = [RemovedSpan(**span) for span in row["removed"]]
        return cls(**row | {"text": "", "removed": removed})


def clean_book(path: Path, params: Clean) -> CleanedBook:
    """Repair, strip, unwrap and filter the raw book in `path`, and hash it for deduplication.

    Dropped books are not hashed.
    """
    raw = path.read_text("utf-8")
    repaired = drop_marks(fix_text(raw))
    stripped, removed = strip_boilerplate(repaired)
    text = unwrap(stripped)
    words = text.split()
    language = detect_language(text) if params.language else ""
    reason = drop_reason(text, words, language, params)
    doubt = _doubt(removed, len(repaired), words)
    book = CleanedBook(
        path.stem, text, len(raw.split()), len(words), removed, language, reason, doubt
    )
    return book if reason else _with_bands(book, params)


def _doubt(removed: list[RemovedSpan], length: int, words: list[str]) -> str:
    """What a person should look at in the book."""
    found = []
    share = sum(len(span.text) for span in removed) / max(length, 1)
    if share > SUSPICIOUS:
        kinds = ", ".join(sorted({span.kind for span in removed}))
        found.append(f"{share:.0%} was removed as {kinds}; see removed.parquet")
    if long := sum(len(word) > LONGEST for word in words):
        found.append(f"the tokenizer cuts {long} words of more than {LONGEST} characters")
    return "; ".join(found)


def split_passages(text: str) -> list[str]:
    """Cut a text after about one line in eight, chosen by the hash of the line itself.

    The cuts depend on content, not on position, so a story is cut at the same places in every
    anthology that holds it.
    """
    passages, lines = [], []
    for line in text.splitlines(keepends=True):
        lines.append(line)
        if len(line) > 40 and hashlib.blake2b(line.strip().encode()).digest()[0] % 8 == 0:
            passages.append("".join(lines))
            lines = []
    return [*passages, "".join(lines)] if lines else passages


def _with_bands(book: CleanedBook, params: Clean) -> CleanedBook:
    words = normal_words(book.text)
    numbers, passage_bands = [], []
    for number, passage in enumerate(split_passages(book.text)):
        passage_words = normal_words(passage)
        if len(passage_words) >= PASSAGE_WORDS:
            signature = minhash(ngram_hashes(passage_words))
            numbers.append(number)
            passage_bands.append(lsh_bands(signature, params.similar_passages).tolist())
    return replace(
        book,
        digest=hashlib.sha256(" ".join(words).encode()).hexdigest(),
        bands=lsh_bands(minhash(shingles(words)), params.similar_books).tolist(),
        passages=numbers,
        passage_bands=passage_bands,
    )
