"""SNLI and MultiNLI as JSON lines or text, and SciTail in either of its layouts."""

from pathlib import Path

from gpt1.errors import UserError
from gpt1.tasks.formats.files import find, subfolder
from gpt1.tasks.formats.glue import Mnli, missing
from gpt1.tasks.formats.reading import Columns, Reading
from gpt1.tasks.formats.rows import json_lines, tabs

PAIRS = Columns(text="sentence1", text_pair="sentence2", target="gold_label", id="pairID")


def snli(root: Path, reading: Reading) -> None:
    for split in ("train", "dev", "test"):
        _pairs(root, reading, split, f"snli_*_{split}")


def multinli(root: Path, reading: Reading) -> None:
    for split in ("train", "dev_matched", "dev_mismatched", "test_matched", "test_mismatched"):
        _pairs(root, reading, split, f"multinli_*_{split}", f"multinli_*_{split}_unlabeled")


def scitail(root: Path, reading: Reading) -> None:
    """`tsv_format` has no header and writes `entails`; `snli_format` writes `entailment`."""
    for split in ("train", "dev", "test"):
        name = f"scitail_?.?_{split}"  # and not the parsed ones, whose names go on
        if path := find(root, f"{name}.tsv"):
            columns = Columns(text="premise", text_pair="hypothesis", target="label")
            rows = tabs(path, ["premise", "hypothesis", "label"])
            reading.table(split, path, rows, columns, labelled=True)
        elif path := find(root, f"snli_format/{name}.txt", f"{name}.jsonl"):
            columns = Columns(text="sentence1", text_pair="sentence2", target="gold_label")
            rows = json_lines(path)
            reading.spellings = ("entailment", "neutral")
            reading.table(split, path, rows, columns, labelled=True, no_gold=["-"])
        else:
            missing(reading, root, split, f"{name}.tsv")


def _pairs(root: Path, reading: Reading, split: str, *names: str) -> None:
    patterns = [f"{name}.{ending}" for name in names for ending in ("jsonl", "txt")]
    path = find(root, *patterns)
    if path is None:
        missing(reading, root, split, patterns[0])
        return
    rows = json_lines(path) if path.suffix == ".jsonl" else tabs(path)
    labelled = not path.stem.endswith("unlabeled")
    reading.table(split, path, rows, PAIRS, labelled=labelled, no_gold=["-"])


def mnli(root: Path, reading: Reading) -> None:
    """GLUE's layout, which keeps the authors' own files below `original/`, or theirs alone."""
    if (subfolder(root, "mnli") / "train.tsv").is_file():
        Mnli("mnli", GLUE_MNLI)(root, reading)
    elif find(root, "multinli_*_train.jsonl", "multinli_*_train.txt"):
        multinli(root, reading)
    else:
        raise UserError(f"{root}: neither MNLI/train.tsv nor multinli_1.0_train.jsonl is here")


GLUE_MNLI = Columns(text="sentence1", text_pair="sentence2", target="gold_label", id="index")
