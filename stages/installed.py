"""The code that stages of an installed package run, as one file that they depend on: `gpt1.json`.

In a clone the code is part of the project, and a stage depends on the folders that it uses. In a
project that `gpt1 init` laid out the code is in site-packages, where no dep of DVC can point: there
every stage depends on `gpt1.json`, which has the version and a digest of the installed code.
`gpt1 init` writes it, `gpt1 run` and `gpt1 plan` write it anew when another package is installed,
so that all stages run again, and a stage that finds the file of another package refuses to run.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import gpt1
from gpt1 import files
from gpt1.errors import UserError

FILE = Path("gpt1.json")
CODE = Path(gpt1.__file__).parent, Path(__file__).parent
NO_STAGE = ("_pipelines", "_project", "harness")
"""Folders of the package that no stage imports: driver, files of `gpt1 init`, harness."""


def current() -> str:
    """What `gpt1.json` says of the installed package; of its files the compiled ones do not count.

    It reads 200 small files, in 10 ms.
    """
    digest = hashlib.sha256()
    for root in CODE:
        for file in sorted(path for path in root.rglob("*") if path.is_file()):
            if file.suffix != ".pyc" and file.relative_to(root).parts[0] not in NO_STAGE:
                digest.update(f"{file.relative_to(root)} {files.sha256(file)}\n".encode())
    return f"{json.dumps({'version': version('gpt1'), 'sha256': digest.hexdigest()}, indent=2)}\n"


def refresh(root: Path = Path()) -> bool:
    """Write `gpt1.json` below `root` unless it is of the installed package; returns whether."""
    file, now = root / FILE, current()
    if file.is_file() and file.read_text(errors="replace") == now:
        return False
    with files.publish(file) as temporary:
        temporary.write_text(now)
    return True


def check() -> None:
    """Raise UserError where `gpt1.json` is there and of another package than the installed one."""
    if FILE.is_file() and FILE.read_text(errors="replace") != current():
        raise UserError(
            f"{FILE} is not of the installed gpt1 {version('gpt1')}: `gpt1 plan` writes it anew "
            "and shows what runs again; or install the package that it is of"
        )
