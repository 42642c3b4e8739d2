"""Precision and recall of the cleaning of books, on what was marked by hand in real books.

    GPT1_REAL_DATA=FOLDER python benchmarks/cleaning.py

`-v` shows each difference. The marks are described in `tests/gpt1/corpus/marks`. A paragraph end
counts where a line of the book ends a line of the result. Of headings, letters and verse, whose
lines must stay apart, the recall counts; of running text the precision.
"""

import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/gpt1/corpus")]

import marks  # noqa: E402

from gpt1.corpus.boilerplate import strip_boilerplate  # noqa: E402
from gpt1.corpus.paragraphs import unwrap  # noqa: E402


def main() -> None:
    """Print a row for each kind of mark."""
    print(f"{'':24}{'marks':>7}{'precision':>11}{'recall':>9}")
    ends: dict[str, Counter[str]] = {}
    for kind, name, joined, ended in marks.line_ends():
        text = marks.book(name)
        found = marks.paragraph_ends(text, unwrap(text))
        right, wrong = found.intersection(ended), found.intersection(joined)
        _count(ends.setdefault(kind, Counter()), right, wrong, set(ended) - found)
        ends[kind]["marks"] += len(joined) + len(ended)
        if "-v" in sys.argv:
            _show(kind, name, text, wrong, set(ended) - found)
    for kind, counts in ends.items():
        _print(f"line ends: {kind}", counts)
    _print("line ends: all", sum(ends.values(), Counter()))
    for what in ("contents", "illustrations"):
        counts = Counter[str]()
        for name, ranges in marks.spans(f"{what}.tsv"):
            text = marks.book(name)
            removed = strip_boilerplate(text)[1]
            true = marks.filled(text, ranges)
            found = marks.removed_lines(text, removed, {what.removesuffix("s"), what})
            if what == "illustrations":  # a sample: what else was removed was not marked
                found &= true
            _count(counts, found & true, found - true, true - found)
            counts["marks"] += len(true)
            if "-v" in sys.argv:
                _show(what, name, text, found - true, true - found)
        _print(f"{what}, lines", counts)


def _count(counts: Counter[str], right: set[int], wrong: set[int], missed: set[int]) -> None:
    counts.update(right=len(right), wrong=len(wrong), missed=len(missed))


def _print(name: str, counts: Counter[str]) -> None:
    found, true = counts["right"] + counts["wrong"], counts["right"] + counts["missed"]
    precision = f"{counts['right'] / found:.1%}" if found else "-"
    recall = f"{counts['right'] / true:.1%}" if true else "-"
    row = f"{name:32}{counts['marks']:7}{precision:>11}{recall:>9}"
    print(f"{row}  {counts['wrong']:3} wrong {counts['missed']:3} missed")


def _show(kind: str, name: str, text: str, wrong: set[int], missed: set[int]) -> None:
    lines = text.split("\n")
    for label, numbers in (("wrong", wrong), ("missed", missed)):
        for n in sorted(numbers):
            after = next((line for line in lines[n:] if line.strip()), "")
            print(f"  {label} {kind} {name}:{n} …{lines[n - 1][-50:]} ⏎ {after[:50]}")


if __name__ == "__main__":
    main()
