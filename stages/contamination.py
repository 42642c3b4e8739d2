"""`contamination@TASK`: what the training documents have in common with a task."""

from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq

from gpt1.corpus.contamination import check
from gpt1.files import publish, write_json
from stages import entry, tracking

SAMPLES = 3


def main(*, task: Path, documents: Path, out: Path, metrics: Path) -> None:
    """Write a row for each stretch of words in common, and the counts for each split."""
    with tracking.run() as run:
        checked = check(task, documents)
        summary = checked.summary()
        run.metrics({f"{split}/overlapping": of["overlapping"] for split, of in summary.items()})
        with publish(out) as table:
            pq.write_table(checked.table(), table)
        longest = sorted(checked.overlaps, key=lambda overlap: -len(overlap.text))
        sample = [asdict(row) for row in longest[:SAMPLES]]
        write_json(metrics, {"splits": summary, "longest": sample})


if __name__ == "__main__":
    entry.run(main)
