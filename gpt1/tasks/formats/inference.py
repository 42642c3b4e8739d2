"""Readers of SNLI and MultiNLI (JSON lines or TSV) and of SciTail (both of its layouts)."""

from pathlib import Path

from gpt1.errors import UserError
from gpt1.tasks.formats.collector import ColumnMapping, ExampleCollector
from gpt1.tasks.formats.glue import Glue, Mnli, report_missing_split
from gpt1.tasks.formats.official_files import find_file, find_folder
from gpt1.tasks.formats.rows import jsonl_rows, tsv_rows

PAIRS = ColumnMapping(text="sentence1", text_pair="sentence2", target="gold_label", id="pairID")


def snli(root: Path, collector: ExampleCollector) -> None:
    """The folder that GLUE's download script makes, or else the authors' own files."""
    if (find_folder(root, "snli") / "train.tsv").is_file():
        Glue("SNLI", PAIRS)(root, collector)
        return
    for split in ("train", "dev", "test"):
        _collect_pairs(root, collector, split, f"snli_*_{split}")


def multinli(root: Path, collector: ExampleCollector) -> None:
    for split in ("train", "dev_matched", "dev_mismatched", "test_matched", "test_mismatched"):
        _collect_pairs(
            root, collector, split, f"multinli_*_{split}", f"multinli_*_{split}_unlabeled"
        )


def scitail(root: Path, collector: ExampleCollector) -> None:
    """`tsv_format` has no header and writes `entails`; `snli_format` writes `entailment`."""
    for split in ("train", "dev", "test"):
        name = f"scitail_?.?_{split}"  # excludes the parsed files, whose names are longer
        if path := find_file(root, f"{name}.tsv"):
            columns = ColumnMapping(text="premise", text_pair="hypothesis", target="label")
            rows = tsv_rows(path, ["premise", "hypothesis", "label"])
            collector.add_rows(split, path, rows, columns, labelled=True)
        elif path := find_file(root, f"snli_format/{name}.txt", f"{name}.jsonl"):
            columns = ColumnMapping(text="sentence1", text_pair="sentence2", target="gold_label")
            rows = jsonl_rows(path)
            collector.raw_labels = ("entailment", "neutral")
            collector.add_rows(split, path, rows, columns, labelled=True, no_gold=["-"])
        else:
            report_missing_split(collector, root, split, f"{name}.tsv")


def _collect_pairs(root: Path, collector: ExampleCollector, split: str, *names: str) -> None:
    patterns = [f"{name}.{ending}" for name in names for ending in ("jsonl", "txt")]
    path = find_file(root, *patterns)
    if path is None:
        report_missing_split(collector, root, split, patterns[0])
        return
    rows = jsonl_rows(path) if path.suffix.lower() == ".jsonl" else tsv_rows(path)
    labelled = not path.stem.endswith("unlabeled")
    collector.add_rows(split, path, rows, PAIRS, labelled=labelled, no_gold=["-"])


def mnli(root: Path, collector: ExampleCollector) -> None:
    """GLUE's folder, which keeps the authors' files in `original/`; or else the authors' alone."""
    if (find_folder(root, "mnli") / "train.tsv").is_file():
        Mnli("mnli", GLUE_MNLI)(root, collector)
    elif find_file(root, "multinli_*_train.jsonl", "multinli_*_train.txt"):
        multinli(root, collector)
    else:
        raise UserError(
            f"{collector.show(root)}: no MNLI/train.tsv and no multinli_1.0_train.jsonl"
        )


GLUE_MNLI = ColumnMapping(text="sentence1", text_pair="sentence2", target="gold_label", id="index")
