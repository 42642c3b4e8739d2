"""The data card: counts of what came in, what was dropped and why, and what is left."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from gpt1.corpus.clean_book import CleanedBook
from gpt1.document import Block, Document, Figure, Section, Table

SAMPLE = 200
"""Characters shown of a removed span."""
SAMPLES = 3
"""Spans shown of each kind."""
ROWS = 100
"""Rows shown of a table; the Parquet files beside the card have all."""


@dataclass
class Card:
    """Running counts of a cleaning; `save` writes all fields as JSON, Markdown and HTML."""

    params: Any
    """The params section `clean`."""
    steps: dict[str, dict[str, int]] = field(
        default_factory=lambda: {
            name: {"books": 0, "words": 0} for name in ("raw", "cleaned", "kept", "train", "valid")
        }
    )
    spans: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[str]] = field(default_factory=dict)
    drops: list[dict[str, Any]] = field(default_factory=list)
    doubts: list[list[str]] = field(default_factory=list)
    """Books that a person should look at, and why."""
    shared: Counter[str] = field(default_factory=Counter)
    """Book -> how many of its passages were cut as duplicates."""
    languages: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    """Documents by word count, rounded down to a power of two."""

    def add_book(self, book: CleanedBook) -> None:
        """Count a cleaned book, kept or not."""
        self._step("raw", book.raw_words)
        self._step("cleaned", book.words)
        self.languages[book.language or "not asked"] += 1
        for span in book.removed:
            self._sample(span.kind, span.text)
        if book.doubt:
            self.doubts.append([book.book, book.doubt])

    def add_dropped(self, row: dict[str, Any]) -> None:
        """Count a dropped book; what follows a colon in its reason is a detail, not counted."""
        self.drops.append(row | {"reason": re.split("[:;]", row["reason"])[0]})

    def add_cut_passages(self, book: str, rows: list[dict[str, str]]) -> None:
        """Count the passages that were cut out of a book."""
        self.shared[book] = len(rows)
        for row in rows:
            self._sample("shared passage", row["text"])

    def add_document(self, split: str, text: str) -> None:
        """Count a document of the output."""
        words = len(text.split())
        self._step("kept", words)
        self._step(split, words)
        self.lengths[1 << max(words.bit_length() - 1, 0)] += 1

    def drop_counts(self) -> str:
        """Dropped books by reason, such as `2 short, 1 language`."""
        counts = Counter(row["reason"] for row in self.drops)
        return ", ".join(f"{n} {reason}" for reason, n in counts.most_common()) or "none"

    def metrics(self) -> dict[str, int]:
        """The counts of books and words after each step, by names such as `train/words`."""
        return {f"{step}/{what}": n for step, of in self.steps.items() for what, n in of.items()}

    def save(self, folder: Path) -> None:
        """Write `card.json`, `card.md` with PNG files, and the self-contained `card.html`."""
        values = vars(self) | {"params": asdict(self.params)}
        content = json.dumps(values, indent=1, ensure_ascii=False, sort_keys=True)
        (folder / "card.json").write_text(content + "\n", "utf-8")
        self._document().save(folder / "card.md", folder / "card.html")

    def _step(self, name: str, words: int) -> None:
        self.steps[name]["books"] += 1
        self.steps[name]["words"] += words

    def _sample(self, kind: str, text: str) -> None:
        self.spans[kind] += 1
        samples = self.samples.setdefault(kind, [])
        if len(samples) < SAMPLES:
            samples.append(" ".join(text.split())[:SAMPLE])

    def _document(self) -> Document:
        raw, kept = self.steps["raw"], self.steps["kept"]
        summary = (
            f"{raw['books']:,} books of {raw['words']:,} words came in; {kept['words']:,} words in "
            f"{kept['books']:,} documents are left. Dropped: {self.drop_counts()}."
        )
        settings = [[f"clean.{name}", str(value)] for name, value in asdict(self.params).items()]
        sections = [
            Section("Step by step", [self._steps(), _figure("steps", self._words(), "words")]),
            Section("Books dropped", self._dropped()),
            Section("Duplicates", self._duplicates()),
            Section("Passages that stand in a longer book", [self._passages()]),
            Section("Spans removed", self._removed()),
            Section("Books to look at", [self._doubts()]),
            Section("Languages", [_figure("languages", _largest(self.languages), "books")]),
            Section("Lengths", [_figure("lengths", self._lengths(), "documents")]),
            Section("Settings", [Table("Section clean.", ["key", "value"], settings)]),
        ]
        return Document("Data card", summary, sections)

    def _words(self) -> dict[str, int]:
        return {name: of["words"] for name, of in self.steps.items()}

    def _steps(self) -> Table:
        rows = [[name, f"{of['books']:,}", f"{of['words']:,}"] for name, of in self.steps.items()]
        return Table("What each step left.", ["step", "documents", "words"], rows)

    def _dropped(self) -> list[Block]:
        grouped = _grouped(self.drops, "reason")
        if not grouped:
            return ["None."]
        rows = [
            [reason, f"{len(rows):,}", f"{sum(row['words'] for row in rows):,}"]
            for reason, rows in grouped.items()
        ]
        counts = Counter({reason: len(rows) for reason, rows in grouped.items()})
        table = Table("Each of them is in dropped.parquet.", ["reason", "books", "words"], rows)
        return [table, _figure("dropped", _largest(counts), "books")]

    def _duplicates(self) -> list[Block]:
        clusters = _grouped([row for row in self.drops if row.get("same_as")], "same_as")
        if not clusters:
            return ["None."]
        rows = [
            [kept, ", ".join(f"{row['book']} ({row['similarity']:.2f})" for row in rows)]
            for kept, rows in clusters.items()
        ]
        sizes = Counter(1 + len(rows) for rows in clusters.values())
        by_size = {f"{size} copies": sizes[size] for size in sorted(sizes)}
        caption = (
            f"The longest of each cluster is kept; {min(len(rows), ROWS)} of {len(rows)} shown."
        )
        table = Table(caption, ["kept", "dropped (similarity)"], rows[:ROWS])
        return [_figure("clusters", by_size, "clusters"), table]

    def _passages(self) -> Block:
        rows = [[book, f"{n:,}"] for book, n in self.shared.most_common(ROWS)]
        caption = f"{self.shared.total():,} passages of {len(self.shared):,} books were cut."
        return Table(caption, ["cut from", "passages"], rows) if rows else "None."

    def _removed(self) -> list[Block]:
        if not self.spans:
            return ["None."]
        samples = [[kind, text] for kind in sorted(self.samples) for text in self.samples[kind]]
        caption = "Samples of what was removed; all of it is in removed.parquet."
        return [
            _figure("spans", _largest(self.spans), "spans"),
            Table(caption, ["kind", "text"], samples),
        ]

    def _doubts(self) -> Block:
        caption = f"{len(self.doubts):,} books."
        return Table(caption, ["book", "what"], self.doubts[:ROWS]) if self.doubts else "None."

    def _lengths(self) -> dict[str, int]:
        return {f"{length:,} words": self.lengths[length] for length in sorted(self.lengths)}


def _figure(name: str, values: dict[str, int], unit: str) -> Block:
    if not values:
        return "None."
    # Here, for the workers that clean books import this module and need no matplotlib.
    from gpt1.document.drawing import bars

    shown = ", ".join(f"{key} {value:,}" for key, value in values.items())
    return Figure(name, bars(values, unit), f"Number of {unit}.", f"Bars: {shown}")


def _largest(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:ROWS])


def _grouped(rows: list[dict[str, Any]], name: str) -> Mapping[str, list[dict[str, Any]]]:
    ordered = sorted(rows, key=lambda row: (row[name], row["book"]))
    return {value: list(group) for value, group in groupby(ordered, key=lambda row: row[name])}
