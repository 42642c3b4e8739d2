"""`derived_task@NAME`: a task made from the validation books."""

from pathlib import Path

import pyarrow.parquet as pq

from gpt1.params import DerivedTask
from gpt1.tasks import derived, table
from stages import entry, tracking


def main(task: str, documents: Path, out: Path) -> None:
    """Make the derived task `task` from the validation documents, and write its table."""
    params = entry.section(DerivedTask, f"derived_tasks.{task}")
    rows = pq.read_table(documents, columns=["book", "text"]).to_pylist()
    books: dict[str, str] = {}
    for row in rows:
        books[row["book"]] = "\n".join(filter(None, [books.get(row["book"]), row["text"]]))
    sizes = {split: getattr(params, split) for split in ("train", "dev", "test")}
    made, examples = derived.make(task, books, sizes, params.words, params.seed)
    table.write_task(made, examples, out)
    with tracking.run() as run:
        run.params(params)
        run.metrics({f"{split}_examples": n for split, n in table.split_sizes(examples).items()})


if __name__ == "__main__":
    entry.run(main)
