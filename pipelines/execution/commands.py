"""DVC as a command of its own, where its Python API is not to be trusted with threads."""

import subprocess
import sys
from pathlib import Path

from gpt1.errors import UserError


def dvc(root: Path, *arguments: str) -> str:
    """What it says, once it has ended well. Raises UserError with its reason."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(f"dvc {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def git(root: Path, *arguments: str) -> str:
    """The same of git."""
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()
