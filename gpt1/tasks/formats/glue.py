"""GLUE's folders of TSV files, in which quotes are literal (gluebenchmark.com)."""

from dataclasses import dataclass
from pathlib import Path

from gpt1.errors import UserError
from gpt1.tasks.formats.files import find, subfolder
from gpt1.tasks.formats.reading import Columns, Reading
from gpt1.tasks.formats.rows import tabs

SPLITS = {"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}
COLA = ["source", "label", "mark", "sentence"]


@dataclass(frozen=True)
class Glue:
    """One of the tasks; a path may lead to its folder or to the folder of them all."""

    folder: str
    columns: Columns

    def __call__(self, root: Path, reading: Reading) -> None:
        root = subfolder(root, self.folder.lower())
        for split, name in SPLITS.items():
            self.split(reading, root, split, name)

    def split(self, reading: Reading, root: Path, split: str, name: str) -> None:
        path = find(root, name)
        if path is None:
            missing(reading, root, split, name)
            return
        labelled = True if not split.startswith("test") else None
        reading.table(split, path, tabs(path), self.columns, labelled=labelled, no_gold=["-"])


class Cola(Glue):
    """Train and dev have no header; test has one, and other columns."""

    def split(self, reading: Reading, root: Path, split: str, name: str) -> None:
        path = find(root, name)
        if path is None:
            missing(reading, root, split, name)
        elif split == "test":
            reading.table(split, path, tabs(path), Columns(text="sentence", id="index"))
        else:
            columns = Columns(text="sentence", target="label")
            reading.table(split, path, tabs(path, COLA), columns, labelled=True)


class Mrpc(Glue):
    """From GLUE's files, else from Microsoft's with the list of the pairs held out for dev."""

    def __call__(self, root: Path, reading: Reading) -> None:
        root = subfolder(root, "mrpc")
        if find(root, "train.tsv"):
            super().__call__(root, reading)
            return
        train, ids = find(root, "msr_paraphrase_train.txt"), find(root, "dev_ids.tsv")
        if train is None or ids is None:
            raise UserError(
                f"{root}: MRPC needs train.tsv, or msr_paraphrase_train.txt and dev_ids.tsv"
            )
        held_out = {tuple(row.values.values()) for row in tabs(ids, ["one", "other"])}
        rows = list(tabs(train))
        is_dev = [(r.values.get("#1 ID"), r.values.get("#2 ID")) in held_out for r in rows]
        for split, wanted in (("train", False), ("dev", True)):
            chosen = [row for row, dev in zip(rows, is_dev, strict=True) if dev == wanted]
            reading.table(split, train, chosen, self.columns, labelled=True)
        test = find(root, "test.tsv", "msr_paraphrase_test.txt")
        if test is None:
            missing(reading, root, "test", "msr_paraphrase_test.txt")
        else:
            reading.table("test", test, tabs(test), self.columns)


class Mnli(Glue):
    """Two dev and two test splits; GLUE's diagnostic set goes with them, where it is there."""

    def __call__(self, root: Path, reading: Reading) -> None:
        folder = subfolder(root, "mnli")
        self.split(reading, folder, "train", "train.tsv")
        for split in ("dev_matched", "dev_mismatched", "test_matched", "test_mismatched"):
            self.split(reading, folder, split, f"{split}.tsv")
        full = find(root, "diagnostic-full.tsv")
        if full:
            columns = Columns(text="Premise", text_pair="Hypothesis", target="Label")
            reading.table("diagnostic", full, tabs(full), columns, labelled=True)
        elif path := find(root, "diagnostic/diagnostic.tsv", "AX/AX.tsv", "diagnostic.tsv"):
            columns = Columns(text="sentence1", text_pair="sentence2", id="index")
            reading.table("diagnostic", path, tabs(path), columns, labelled=False)


def missing(reading: Reading, root: Path, split: str, name: str) -> None:
    """Training and the first dev files must be there; the others may be."""
    if split in ("train", "dev", "dev_matched"):
        raise UserError(f"{root}: no {name} here, so {reading.task.name} has no {split} split")
    reading.warn(f"{root.name}: no {name}, so there is no {split} split")
