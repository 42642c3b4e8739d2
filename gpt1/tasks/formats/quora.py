"""Reader of Quora Question Pairs: GLUE's folder, or the one file that Quora distributes."""

from pathlib import Path

from sklearn.model_selection import train_test_split

from gpt1.errors import UserError
from gpt1.tasks.formats.collector import ColumnMapping, ExampleCollector
from gpt1.tasks.formats.glue import Glue
from gpt1.tasks.formats.official_files import find_file
from gpt1.tasks.formats.rows import csv_rows

COLUMNS = ColumnMapping(text="question1", text_pair="question2", target="is_duplicate", id="id")
DEV_FRACTION, SEED = 0.1, 1


def quora(root: Path, collector: ExampleCollector) -> None:
    """Quora's own file has no splits: a random tenth of it becomes dev."""
    if find_file(root, "train.tsv"):
        Glue("QQP", COLUMNS)(root, collector)
        return
    path = find_file(root, "quora_duplicate_questions.tsv")
    if path is None:
        raise UserError(
            f"{collector.show(root)}: no QQP/train.tsv and no quora_duplicate_questions.tsv"
        )
    rows = list(csv_rows(path, "\t"))
    if len(rows) < 2:
        raise UserError(
            f"{path.name}: {len(rows)} rows; a tenth of them becomes dev, 2 are the fewest"
        )
    train, dev = train_test_split(range(len(rows)), test_size=DEV_FRACTION, random_state=SEED)
    for split, places in (("train", train), ("dev", dev)):
        chosen = [rows[place] for place in sorted(places)]
        collector.add_rows(split, path, chosen, COLUMNS, labelled=True)
    collector.warn(f"{path.name} has no splits: dev is a random tenth of it, not GLUE's dev")
