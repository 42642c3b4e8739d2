"""The space that a pretraining takes on disks, said before it begins."""

import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import torch

from gpt1.params import Model
from gpt1.training.pretraining import new_model
from gpt1.training.state import KEPT


def warn_if_short(params: Model, vocab: int, title: str, *, folder: Path, out: Path) -> None:
    """Print a line for a disk that is too small, of states and checkpoints or of the model.

    The states in `folder` are those kept and one that is being written, each of the weights and
    AdamW's two moments. The checkpoints are there and, in the end, beside the model `out`. What
    DVC's cache takes comes on top where it copies.
    """
    with torch.device("meta"):  # shapes alone
        weights = sum(4 * each.numel() for each in new_model(params, vocab).parameters())
    checkpoints = len(params.checkpoints) * weights
    there = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    needed, places = Counter[int](), dict[int, Path]()
    for place, size in (
        (folder, (KEPT + 1) * 3 * weights + checkpoints - there),
        (out, weights + checkpoints),
    ):
        existing = next(each for each in (place, *place.absolute().parents) if each.exists())
        disk = os.stat(existing).st_dev
        needed[disk] += size
        places.setdefault(disk, existing)
    for disk, size in needed.items():
        free = shutil.disk_usage(places[disk]).free
        if size > free:
            print(
                f"warning: {title}: needs {size / 1e9:,.1f} GB more on the disk of {places[disk]}, "
                f"which has {free / 1e9:,.1f} GB free: states of {3 * weights / 1e9:,.1f} GB, and "
                f"{len(params.checkpoints)} checkpoints and a model of {weights / 1e9:,.1f} GB; "
                "free space, or list fewer checkpoints",
                file=sys.stderr,
            )
