"""The files that a project outside a clone begins with, and its `dvc.yaml`."""

import hashlib
import re
import sys
from pathlib import Path

import gpt1
from gpt1.errors import UserError
from stages import installed

GRAPH = "dvc.yaml"
PACKAGE = Path(gpt1.__file__).parent
PACKED = PACKAGE / "_project"
FOLDER = PACKED if PACKED.is_dir() else PACKAGE.parent
"""The folder that has all files: in the installed package, or the clone."""
LAID_OUT = "# `gpt1 init . --update` replaces this file as long as the rest has SHA-256 "
"""The begin of the first line of a `dvc.yaml` that was laid out."""
CODE_DEPS = re.compile(r"(?:^( +- )(?:gpt1|stages)/.*\n)+", re.MULTILINE)


def graph() -> str:
    """Our `dvc.yaml`, whose commands name the installed modules and whose code is `gpt1.json`."""
    text = (FOLDER / GRAPH).read_text()
    text = text.replace("python -m stages.", f"python -m {installed.__package__}.")
    rest = CODE_DEPS.sub(rf"\1{installed.FILE}\n", text)
    return f"{LAID_OUT}{_digest(rest)}\n{rest}"


def is_laid_out(root: Path = Path()) -> bool:
    """Whether `gpt1 init` made the project: by its `gpt1.json`, or the first line of `dvc.yaml`."""
    return (root / installed.FILE).is_file() or text_of(root / GRAPH).startswith(LAID_OUT)


def check_packages(root: Path = Path()) -> None:
    """Raise UserError where stages would import a package of the project, not the installed one."""
    for package in dict.fromkeys(["gpt1", installed.__name__.partition(".")[0]]):
        for own in (root / package / "__init__.py", root / f"{package}.py"):
            if own.exists():
                raise UserError(
                    f"{own}: stages would import this `{package}` in place of the installed one; "
                    "rename it, or have the project in another folder"
                )


def is_as_laid_out(text: str) -> bool:
    """Whether a `dvc.yaml` is as some version of `graph` returned it."""
    first, _, rest = text.partition("\n")
    return first == f"{LAID_OUT}{_digest(rest)}"


def tell_of_other_code(just_installed: bool) -> None:
    """Say that another package was installed, and that the graph in the project is not its own.

    Of a graph that somebody edited it is said only where the package was `just_installed`.
    """
    if just_installed:
        other = f"another gpt1 is installed than {installed.FILE} said: all stages run again"
        print(other, file=sys.stderr)
    text = text_of(Path(GRAPH))
    if text != graph() and (just_installed or is_as_laid_out(text)):
        print(
            f"{GRAPH} is not that of the installed gpt1; `gpt1 init . --update` replaces it, or "
            "shows what differs where you edited it",
            file=sys.stderr,
        )


def text_of(file: Path) -> str:
    """Empty where there is none; what is not UTF-8 is no text of ours."""
    return file.read_text(errors="replace") if file.is_file() else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
