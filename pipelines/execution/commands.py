"""DVC and git as subprocesses: DVC's Python API is not thread-safe."""

import subprocess
import sys
from pathlib import Path

from gpt1.errors import UserError


def dvc(root: Path, *arguments: str) -> str:
    """Run `dvc` and return its standard output. Raises UserError with its standard error."""
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
    """Run `git` and return its standard output. Raises UserError with its standard error."""
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()
