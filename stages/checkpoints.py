"""The checkpoints of a pretraining, in the folder of its model."""

import json
from collections.abc import Iterator
from pathlib import Path


def checkpoints(model: Path, pretraining: Path) -> Iterator[tuple[int, Path]]:
    """Yield (updates, directory) of each checkpoint of `model`, and last of the model itself.

    `pretraining` is the metrics file of its stage, which has the number of updates.
    """
    updates = json.loads(pretraining.read_text())["updates"]
    for directory in sorted((model / "checkpoints").glob("*")):
        if int(directory.name) < updates:
            yield int(directory.name), directory
    yield updates, model
