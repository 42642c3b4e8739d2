"""Where a long stage keeps its state: `.work/STAGE/FINGERPRINT/`, unknown to git and DVC."""

import dataclasses
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gpt1
from gpt1 import files

FOLDER = Path(".work")
GPT1 = Path(gpt1.__file__).parent
CORPUS, TOKENS = GPT1 / "corpus", GPT1 / "tokens"
TRAINING = (GPT1 / "model", GPT1 / "training")
TUNING = (GPT1 / "tasks", *TRAINING)
"""Sources that the state of a stage hangs on: where they changed, the stage starts again."""


@contextmanager
def folder(stage: str, params: Any, *data: Path) -> Iterator[Path]:
    """Yield the folder of `stage` with these params and this data, then remove it.

    `params` are a dataclass or a dict; `data` may be source files too.

    A run that is stopped or fails leaves the folder, and the next one with the same params and the
    same content of `data` gets it again; with others it gets a new one, and says so.
    """
    found = FOLDER / stage / fingerprint(params, *data)
    if not found.exists() and any(found.parent.glob("*")):
        print(
            f"{stage}: params, data or code are others than those of the state in {found.parent}; "
            "it starts again (`gpt1 prune` frees that)",
            file=sys.stderr,
        )
    found.mkdir(parents=True, exist_ok=True)
    yield found
    shutil.rmtree(found)


def fingerprint(params: Any, *data: Path) -> str:
    """A digest of the params, and of the names and bytes of all files below `data`."""
    values = params if isinstance(params, dict) else dataclasses.asdict(params)
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for root in data:
        for file in sorted(p for p in [root, *root.rglob("*")] if p.is_file()):
            if file.suffix == ".pyc":
                continue
            digest.update(f"\0{file.relative_to(root)}\0{files.sha256(file)}".encode())
    return digest.hexdigest()[:16]
