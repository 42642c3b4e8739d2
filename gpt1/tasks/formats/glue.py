"""Readers of GLUE's folders of TSV files, in which quotes are literal (gluebenchmark.com)."""

from dataclasses import dataclass
from pathlib import Path

from gpt1.errors import UserError
from gpt1.tasks.formats.collector import ColumnMapping, ExampleCollector
from gpt1.tasks.formats.official_files import find_file, find_folder
from gpt1.tasks.formats.rows import tsv_rows

SPLITS = {"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}
COLA = ["source", "label", "mark", "sentence"]


@dataclass(frozen=True)
class Glue:
    """The reader of one task; the root may be its folder or the folder of all tasks."""

    folder: str
    columns: ColumnMapping

    def __call__(self, root: Path, collector: ExampleCollector) -> None:
        root = find_folder(root, self.folder.lower())
        for split, name in SPLITS.items():
            self.collect_split(collector, root, split, name)

    def collect_split(self, collector: ExampleCollector, root: Path, split: str, name: str) -> None:
        path = find_file(root, name)
        if path is None:
            report_missing_split(collector, root, split, name)
            return
        labelled = True if not split.startswith("test") else None
        collector.add_rows(
            split, path, tsv_rows(path), self.columns, labelled=labelled, no_gold=["-"]
        )


class Cola(Glue):
    """Train and dev have no header; test has one, with other columns."""

    def collect_split(self, collector: ExampleCollector, root: Path, split: str, name: str) -> None:
        path = find_file(root, name)
        if path is None:
            report_missing_split(collector, root, split, name)
        elif split == "test":
            collector.add_rows(
                split, path, tsv_rows(path), ColumnMapping(text="sentence", id="index")
            )
        else:
            columns = ColumnMapping(text="sentence", target="label")
            collector.add_rows(split, path, tsv_rows(path, COLA), columns, labelled=True)


class Mrpc(Glue):
    """GLUE's files, or else Microsoft's with GLUE's list of the pairs that are dev."""

    def __call__(self, root: Path, collector: ExampleCollector) -> None:
        root = find_folder(root, "mrpc")
        if find_file(root, "train.tsv"):
            super().__call__(root, collector)
            return
        train, ids = find_file(root, "msr_paraphrase_train.txt"), find_file(root, "dev_ids.tsv")
        if train is None or ids is None:
            raise UserError(
                f"{collector.show(root)}: MRPC needs train.tsv, or msr_paraphrase_train.txt and "
                "dev_ids.tsv"
            )
        dev_ids = {tuple(row.values.values()) for row in tsv_rows(ids, ["one", "other"])}
        rows = list(tsv_rows(train))
        is_dev = [(r.values.get("#1 ID"), r.values.get("#2 ID")) in dev_ids for r in rows]
        for split, wanted in (("train", False), ("dev", True)):
            chosen = [row for row, dev in zip(rows, is_dev, strict=True) if dev == wanted]
            collector.add_rows(split, train, chosen, self.columns, labelled=True)
        test = find_file(root, "test.tsv", "msr_paraphrase_test.txt")
        if test is None:
            report_missing_split(collector, root, "test", "msr_paraphrase_test.txt")
        else:
            collector.add_rows("test", test, tsv_rows(test), self.columns)


class Mnli(Glue):
    """Two dev and two test splits, and GLUE's diagnostic set where it is there."""

    def __call__(self, root: Path, collector: ExampleCollector) -> None:
        folder = find_folder(root, "mnli")
        self.collect_split(collector, folder, "train", "train.tsv")
        for split in ("dev_matched", "dev_mismatched", "test_matched", "test_mismatched"):
            self.collect_split(collector, folder, split, f"{split}.tsv")
        full = find_file(root, "diagnostic-full.tsv")
        if full:
            columns = ColumnMapping(text="Premise", text_pair="Hypothesis", target="Label")
            collector.add_rows("diagnostic", full, tsv_rows(full), columns, labelled=True)
        elif path := find_file(root, "diagnostic/diagnostic.tsv", "AX/AX.tsv", "diagnostic.tsv"):
            columns = ColumnMapping(text="sentence1", text_pair="sentence2", id="index")
            collector.add_rows("diagnostic", path, tsv_rows(path), columns, labelled=False)


def report_missing_split(collector: ExampleCollector, root: Path, split: str, name: str) -> None:
    """Raise UserError for a missing training or first dev file; warn about any other."""
    if split in ("train", "dev", "dev_matched"):
        raise UserError(
            f"{collector.show(root)}: no {name}, so {collector.task.name} has no {split} split"
        )
    collector.warn(f"{collector.show(root)}: no {name}, so there is no {split} split")
