"""Real compilers, and one that answers for its version and compiles nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = """
import torch
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.training.compilation import compile_parts
torch.set_num_threads(1)
model = GPT(GPTConfig(vocab=16, context=8, layers=1, width=8, heads=2, dropout=0.0))
compile_parts(model)
model(torch.zeros(1, 8, dtype=torch.int64))
print(any(module._compiled_call_impl is not None for module in model.modules()))
"""


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TORCHINDUCTOR_CACHE_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def warnings(found: subprocess.CompletedProcess[str]) -> list[str]:
    """Ours: a build for CUDA without a card has PyTorch log lines of its own."""
    return [line for line in found.stderr.splitlines() if line.startswith("warning:")]


def test_a_compiler_that_is_there_and_fails_leaves_the_model_uncompiled_and_one_line(
    tmp_path: Path,
) -> None:
    broken = tmp_path / "g++"
    broken.write_text(
        '#!/bin/sh\ncase "$*" in *--version*) echo "g++ 12.2.0"; exit 0;; esac\n'
        'echo "fatal error: Python.h: No such file or directory" >&2; exit 1\n'
    )
    broken.chmod(0o755)
    found = run(tmp_path, CXX=str(broken))
    assert found.stdout == "False\n"
    assert warnings(found) == [
        "warning: compile: true needs a compiler that works, and Python's headers "
        "(fatal error: Python.h: No such file or directory); going on uncompiled"
    ]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="there is no g++")
def test_where_the_compiler_works_the_blocks_are_compiled_without_a_warning(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert found.stdout == "True\n"
    assert not warnings(found)
