"""The folder where a long stage keeps its state to resume from: `.work/STAGE/FINGERPRINT/`.

Git and DVC ignore it.
"""

import ast
import dataclasses
import hashlib
import json
import os
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
TRAINING = (GPT1 / "model", GPT1 / "training", TOKENS)
FINETUNING = (GPT1 / "tasks", GPT1 / "analysis" / "transfer.py", *TRAINING)
"""Code that a state depends on: a stage with other code starts again, or is told to continue."""


@contextmanager
def folder(stage: str, params: Any, *data: Path) -> Iterator[Path]:
    """Yield the state folder of `stage`, and remove it when the block succeeds.

    A stage that was stopped or failed leaves the folder, and finds it again when `params`, a
    dataclass or a dict, and the content of `data`, files and folders, code included, are the same
    (`fingerprint`). Otherwise it prints that it starts again, in a new folder.
    """
    path = FOLDER / stage / fingerprint(params, *data)
    for part in path.parent.glob(f".*{files.PARTIAL}"):
        shutil.rmtree(part, ignore_errors=True)
    if not path.exists() and any(path.parent.glob("*")):
        print(
            f"{stage}: params, data or code changed since the state in {path.parent} was saved; "
            "the stage starts again (`gpt1 prune` removes the old state)",
            file=sys.stderr,
        )
    path.mkdir(parents=True, exist_ok=True)
    yield path
    # Its files go one by one: a stage that is killed meanwhile must not resume from some of them.
    gone = path.replace(path.with_name(f".{path.name}.{os.getpid()}{files.PARTIAL}"))
    shutil.rmtree(gone)


def fingerprint(params: Any, *data: Path) -> str:
    """A digest of the params, and of the names and contents of all files below `data`.

    Of Python files the code counts: no comment, docstring or line break.
    """
    values = params if isinstance(params, dict) else dataclasses.asdict(params)
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for root in data:
        for file in sorted(p for p in [root, *root.rglob("*")] if p.is_file()):
            if file.suffix == ".pyc":
                continue
            content = _code(file) if file.suffix == ".py" else files.sha256(file)
            digest.update(f"\0{file.relative_to(root)}\0{content}".encode())
    return digest.hexdigest()[:16]


def _code(file: Path) -> str:
    try:
        return repr(_tree(_WithoutDocstrings().visit(ast.parse(file.read_bytes()))))
    except (SyntaxError, ValueError):  # nothing imports it
        return files.sha256(file)


def _tree(node: Any) -> Any:
    """The syntax tree `node` without empty fields: those differ between versions of Python."""
    if isinstance(node, list):
        return [_tree(each) for each in node]
    if not isinstance(node, ast.AST):
        return node
    fields = ((name, _tree(value)) for name, value in ast.iter_fields(node))
    return type(node).__name__, [(name, value) for name, value in fields if value not in (None, [])]


class _WithoutDocstrings(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node
