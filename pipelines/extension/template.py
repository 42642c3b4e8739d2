"""The files that a project outside a clone begins with, and its `dvc.yaml`."""

import re
import sys
from pathlib import Path

import gpt1
from stages import installed

GRAPH = "dvc.yaml"
PACKAGE = Path(gpt1.__file__).parent
PACKED = PACKAGE / "_project"
FOLDER = PACKED if PACKED.is_dir() else PACKAGE.parent
"""The folder that has all files: in the installed package, or the clone."""
CODE_DEPS = re.compile(r"(?:^( +- )(?:gpt1|stages)/.*\n)+", re.MULTILINE)


def graph() -> str:
    """Our `dvc.yaml`, whose commands name the installed modules and whose code is `gpt1.json`."""
    text = (FOLDER / GRAPH).read_text()
    text = text.replace("python -m stages.", f"python -m {installed.__package__}.")
    return CODE_DEPS.sub(rf"\1{installed.FILE}\n", text)


def tell_of_other_code() -> None:
    """Say that another package is installed, and whether the graph in the project is its own."""
    other = f"another gpt1 is installed than {installed.FILE} said: all stages run again"
    print(other, file=sys.stderr)
    if Path(GRAPH).read_text() != graph():
        print(f"{GRAPH} is not its own; compare with what `gpt1 init` writes", file=sys.stderr)
