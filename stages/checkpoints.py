"""The checkpoints of a pretraining, in a folder beside its model: what few stages read.

A network of the paper's size takes 466 MB, eleven of them on the way 5.6 GB.
"""

import json
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from gpt1.files import publish, write_json

INDEX = "updates.json"
"""The updates after which there is a checkpoint; the folder is never empty, which DVC forgets."""


def save_checkpoints(out: Path, saved: Path | None, listed: Collection[int] = ()) -> None:
    """Write `out` with those checkpoints in `saved` that are listed, by their updates."""
    found = sorted(saved.glob("[0-9]*")) if saved else []
    kept = [path for path in found if int(path.name) in listed]
    with publish(out) as beside:
        beside.mkdir()
        for path in kept:
            shutil.copytree(path, beside / path.name)
        write_json(beside / INDEX, [int(path.name) for path in kept])


def read_checkpoints(directory: Path, model: Path, pretraining: Path) -> Iterator[tuple[int, Path]]:
    """Yield (updates, directory) of each checkpoint, and last of the model itself.

    `pretraining` is the metrics file of its stage, which has the number of updates.
    """
    for update in json.loads((directory / INDEX).read_text()):
        yield update, directory / f"{update:07d}"
    yield json.loads(pretraining.read_text())["updates"], model
