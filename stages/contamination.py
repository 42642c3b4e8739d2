"""`contamination@TASK`: find the word 13-grams that training documents share with a task."""

from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq

from gpt1.corpus.contamination import find_overlaps
from gpt1.files import publish, write_json
from stages import entry, tracking

SAMPLES = 3
"""Overlaps shown in the metrics: the longest."""


def main(*, task: Path, documents: Path, out: Path, metrics: Path) -> None:
    """Write a row for each overlap to `out`, and the counts of each split to `metrics`."""
    with tracking.run() as run:
        found = find_overlaps(task, documents)
        summary = found.summary()
        run.metrics({f"{split}/overlapping": of["overlapping"] for split, of in summary.items()})
        with publish(out) as table:
            pq.write_table(found.table(), table)
        longest = sorted(found.overlaps, key=lambda overlap: -len(overlap.text))
        sample = [asdict(row) for row in longest[:SAMPLES]]
        write_json(metrics, {"splits": summary, "longest": sample})


if __name__ == "__main__":
    entry.run(main)
