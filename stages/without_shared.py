"""Decontaminate the training documents: drop what they share with the tasks.

The validation documents are copied unchanged.
"""

import shutil
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gpt1.corpus.contamination import drop_lines
from gpt1.errors import UserError
from gpt1.files import iterate_rows, publish
from gpt1.params import Contamination
from stages import entry, tracking


def main(*, documents: Path, overlaps: Path, what: str, out: Path) -> None:
    """Write `train.parquet` and `valid.parquet`.

    overlaps: the folder with the output of `contamination@TASK`.
    what: `books` drops whole books that overlap, `paragraphs` only the lines that do.
    """
    lines: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for task in entry.section(Contamination, "contamination").tasks:
        for row in pq.read_table(overlaps / f"{task}.parquet").to_pylist():
            lines[row["book"]].append((row["first_line"], row["last_line"]))
    with tracking.run() as run, publish(out) as folder:
        folder.mkdir()
        source = pq.ParquetFile(documents / "train.parquet")
        kept = 0
        with pq.ParquetWriter(folder / "train.parquet", source.schema_arrow) as train:
            for row in iterate_rows(source, ["book", "text"]):
                if overlapping := lines.get(row["book"]):
                    row["text"] = "" if what == "books" else drop_lines(row["text"], overlapping)
                if row["text"]:
                    train.write_table(pa.Table.from_pylist([row], source.schema_arrow))
                    kept += 1
        if not kept:
            raise UserError(
                f"{documents}: every book overlaps with a task; drop paragraphs instead of books"
            )
        shutil.copy(documents / "valid.parquet", folder)
        run.params({"what": what})
        run.metrics({"books": kept, "overlapping_books": len(lines)})


if __name__ == "__main__":
    entry.run(main)
