"""The models along the way of a pretraining, which leaves them in its model's folder."""

import json
from collections.abc import Iterator
from pathlib import Path


def checkpoints(model: Path, pretraining: Path) -> Iterator[tuple[int, Path]]:
    """The checkpoints of `model` by their update; last the model itself, after all updates.

    `pretraining` is the metrics file of its stage, which tells how many those are.
    """
    updates = json.loads(pretraining.read_text())["updates"]
    for directory in sorted((model / "checkpoints").glob("*")):
        if int(directory.name) < updates:
            yield int(directory.name), directory
    yield updates, model
