"""Reader of minimal pairs, which are zero-shot only: JSON lines, two sentences each.

BLiMP (Warstadt et al., 2020), BabyLM's supplement to it, and others of that form: the keys are
`sentence_good` and `sentence_bad`. A pair is a multiple choice whose first choice is right, after a
full stop, as the network has no token for a beginning.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gpt1.errors import UserError
from gpt1.tasks.formats.collector import ColumnMapping, ExampleCollector
from gpt1.tasks.formats.official_files import is_macos_metadata
from gpt1.tasks.formats.rows import Row, jsonl_rows

COLUMNS = ColumnMapping(
    text="text",
    choices=("sentence_good", "sentence_bad"),
    target="target",
    id="id",
    group="group",
)


def minimal_pairs(root: Path, collector: ExampleCollector) -> None:
    """All pairs of all files are the test split; a pair's group is its `field`, or its file."""
    paths = sorted(path for path in root.rglob("*.jsonl") if not is_macos_metadata(path))
    if not paths:
        raise UserError(f"{collector.show(root)}: no .jsonl here")
    for path in paths:
        collector.add_rows("test", path, _rows(path), COLUMNS, labelled=True)
    collector.files["test"] = "*.jsonl"


def _rows(path: Path) -> Iterator[Row]:
    for number, row in enumerate(jsonl_rows(path)):
        field = str(row.values.get("field", path.stem)).replace("/", "_")  # syntax/semantics, too
        added = {"text": ".", "target": "good", "id": f"{path.stem}/{number}", "group": field}
        yield replace(row, values=row.values | added)
