"""The data card: what came in, what went and why, and what is left; Markdown, a page and JSON."""

import html
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from gpt1.corpus.cleaning import Cleaned

SAMPLE = 200
"""Characters shown of a removed span, and spans shown of each kind: `SAMPLES`."""
SAMPLES = 3


@dataclass
class Card:
    """Counts as the work goes on; `save` writes them down."""

    params: Any
    """The section `clean`."""
    steps: dict[str, dict[str, int]] = field(
        default_factory=lambda: {
            name: {"books": 0, "words": 0} for name in ("raw", "cleaned", "kept", "train", "valid")
        }
    )
    spans: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[str]] = field(default_factory=dict)
    drops: list[dict[str, Any]] = field(default_factory=list)
    shared: dict[str, int] = field(default_factory=dict)
    """Book -> passages cut because they stand in another one."""
    languages: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    """Documents by the power of two that their words reach."""

    def cleaned(self, book: Cleaned) -> None:
        """A book went through the cleaning of its own text."""
        self._step("raw", book.raw_words)
        self._step("cleaned", book.words)
        self.languages[book.language or "not asked"] += 1
        for span in book.removed:
            self._sample(span.kind, span.text)

    def dropped(self, row: dict[str, Any]) -> None:
        """A book was dropped."""
        self.drops.append(row)

    def passages(self, book: str, rows: list[dict[str, str]]) -> None:
        """Passages of a book were cut."""
        self.shared[book] = len(rows)
        for row in rows:
            self._sample("shared passage", row["text"])

    def document(self, split: str, text: str) -> None:
        """A document came out."""
        words = len(text.split())
        self._step("kept", words)
        self._step(split, words)
        self.lengths[1 << max(words.bit_length() - 1, 0)] += 1

    def reasons(self) -> str:
        """Such as `2 short, 1 language`."""
        counts = Counter(row["reason"] for row in self.drops)
        return ", ".join(f"{n} {reason}" for reason, n in counts.most_common()) or "none dropped"

    def metrics(self) -> dict[str, int]:
        """Numbers by name, such as `train/words`."""
        return {f"{step}/{what}": n for step, of in self.steps.items() for what, n in of.items()}

    def save(self, folder: Path) -> None:
        """Write `card.json`, `card.md` and `card.html`."""
        values = vars(self) | {"params": asdict(self.params)}
        content = json.dumps(values, indent=1, ensure_ascii=False, sort_keys=True)
        (folder / "card.json").write_text(content + "\n", "utf-8")
        (folder / "card.md").write_text(self._markdown(), "utf-8")
        (folder / "card.html").write_text(self._page(), "utf-8")

    def _step(self, name: str, words: int) -> None:
        self.steps[name]["books"] += 1
        self.steps[name]["words"] += words

    def _sample(self, kind: str, text: str) -> None:
        self.spans[kind] += 1
        found = self.samples.setdefault(kind, [])
        if len(found) < SAMPLES:
            found.append(" ".join(text.split())[:SAMPLE])

    def _tables(self) -> dict[str, tuple[list[str], list[list[Any]]]]:
        """Title -> header and rows."""
        clusters = sorted(
            (row for row in self.drops if row.get("same_as")), key=lambda row: row["same_as"]
        )
        return {
            "Step by step": (
                ["step", "documents", "words"],
                [[name, of["books"], of["words"]] for name, of in self.steps.items()],
            ),
            "Books dropped": (
                ["reason", "books", "words"],
                [
                    [reason, len(rows), sum(row["words"] for row in rows)]
                    for reason, rows in _grouped(self.drops, "reason").items()
                ],
            ),
            "Duplicates": (
                ["kept", "dropped (similarity)"],
                [
                    [kept, ", ".join(f"{row['book']} ({row['similarity']:.2f})" for row in rows)]
                    for kept, rows in _grouped(clusters, "same_as").items()
                ],
            ),
            "Passages that stand in a longer book": (
                ["cut from", "passages"],
                [[book, n] for book, n in sorted(self.shared.items())],
            ),
            "Spans removed": (
                ["kind", "spans"],
                [[kind, n] for kind, n in sorted(self.spans.items())],
            ),
            "Languages": (
                ["language", "books"],
                [[name, n] for name, n in sorted(self.languages.items())],
            ),
            "Lengths": (
                ["words from", "documents"],
                [[length, n] for length, n in sorted(self.lengths.items())],
            ),
            "Samples of what was removed": (
                ["kind", "text"],
                [[kind, text] for kind, texts in sorted(self.samples.items()) for text in texts],
            ),
        }

    def _markdown(self) -> str:
        lines = ["# Data card", ""]
        for title, (header, rows) in self._tables().items():
            lines += [f"## {title}", ""]
            table = [header, ["---"] * len(header), *rows] if rows else [["None."]]
            lines += [
                "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"
                if rows
                else str(row[0])
                for row in table
            ]
            lines.append("")
        lines += ["## Settings", ""]
        lines += [f"- `clean.{name}`: {value}" for name, value in asdict(self.params).items()]
        return "\n".join(lines) + "\n"

    def _page(self) -> str:
        """One self-contained page; the last number of a row is drawn as a bar."""
        parts = [_HEAD]
        for title, (header, rows) in self._tables().items():
            parts.append(f"<h2>{html.escape(title)}</h2>")
            if not rows:
                parts.append("<p>None.</p>")
                continue
            largest = max([row[-1] for row in rows if isinstance(row[-1], int)], default=0)
            parts.append("<table><tr>" + "".join(f"<th>{name}</th>" for name in header) + "</tr>")
            for row in rows:
                cells = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row)
                if largest:
                    cells += f"<td><div style='width:{200 * row[-1] / largest:.0f}px'></div></td>"
                parts.append(f"<tr>{cells}</tr>")
            parts.append("</table>")
        return "\n".join(parts) + "\n"


_HEAD = """<!doctype html><meta charset="utf-8"><title>Data card</title>
<style>body{font:15px sans-serif;max-width:60em;margin:2em auto}
td,th{text-align:left;padding:2px 9px}
td div{background:#47a;height:.8em}</style><h1>Data card</h1>"""


def _grouped(rows: list[dict[str, Any]], name: str) -> Mapping[str, list[dict[str, Any]]]:
    ordered = sorted(rows, key=lambda row: (row[name], row["book"]))
    return {value: list(group) for value, group in groupby(ordered, key=lambda row: row[name])}
