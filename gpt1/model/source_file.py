"""Weights at an address, such as the hub's, that a source file (`.yaml`, as in `hub/`) names.

at: hf://OWNER/NAME@REVISION
files: [config.json, model.safetensors, vocab.json, merges.txt]
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gpt1 import hub
from gpt1.errors import UserError, refuse_unknown
from gpt1.files import read_yaml

KEYS = ("at", "files")


@contextmanager
def model_files(source: Path) -> Iterator[Path]:
    """Yield `source` if it is a folder, or one with the files that the source file names.

    They are downloaded, and removed at the end. Raises UserError that names a wrong key, an address
    without a commit, or one that cannot be read.
    """
    if source.suffix != ".yaml":
        yield source
        return
    address, names = _checked(source)
    with tempfile.TemporaryDirectory(prefix="gpt1-model-") as folder:
        for name in names:
            hub.download(f"{address}/{name}", Path(folder, name))
        yield Path(folder)


def _checked(source: Path) -> tuple[str, list[str]]:
    values = read_yaml(source)
    refuse_unknown(values, KEYS, f"{source}: unknown key {{}}")
    address, names = values.get("at"), values.get("files")
    if not isinstance(address, str) or not address:
        raise UserError(f"{source}: at is {address!r}, not an address")
    if not isinstance(names, list) or not names:
        raise UserError(f"{source}: files is {names!r}, not a list of names")
    for name in names:
        if not isinstance(name, str) or Path(name).name != name:
            raise UserError(f"{source}: files has {name!r}, not the name of a file")
    hub.check_pinned(f"{address}/", f"{source}: at")
    return address, names
