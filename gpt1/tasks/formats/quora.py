"""Question pairs: GLUE's folder, or the one file that Quora distributes, with quoted fields."""

from pathlib import Path

from sklearn.model_selection import train_test_split

from gpt1.errors import UserError
from gpt1.tasks.formats.files import find
from gpt1.tasks.formats.glue import Glue
from gpt1.tasks.formats.reading import Columns, Reading
from gpt1.tasks.formats.rows import quoted

COLUMNS = Columns(text="question1", text_pair="question2", target="is_duplicate", id="id")
HELD_OUT, SEED = 0.1, 1


def quora(root: Path, reading: Reading) -> None:
    """Quora's own file has no splits: a tenth of it, drawn at random, is dev."""
    if find(root, "train.tsv"):
        Glue("QQP", COLUMNS)(root, reading)
        return
    path = find(root, "quora_duplicate_questions.tsv")
    if path is None:
        raise UserError(f"{root}: neither QQP/train.tsv nor quora_duplicate_questions.tsv is here")
    rows = list(quoted(path, "\t"))
    train, dev = train_test_split(range(len(rows)), test_size=HELD_OUT, random_state=SEED)
    for split, places in (("train", train), ("dev", dev)):
        chosen = [rows[place] for place in sorted(places)]
        reading.table(split, path, chosen, COLUMNS, labelled=True)
    reading.warn(f"{path.name} has no splits: dev is a tenth of it, and not GLUE's")
