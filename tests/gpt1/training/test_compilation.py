"""Real compilers, and one that answers for its version and compiles nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gpt1.model import kernels
from gpt1.model.kernels import TokenLosses, accelerator, cross_entropy
from gpt1.model.transformer import GPT, Block, GPTConfig
from gpt1.training.compilation import compile_parts

ROOT = Path(__file__).parents[3]
CONFIG = GPTConfig(vocab=50, context=8, layers=2, width=16, heads=2, dropout=0.0)
needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="there is no g++")


def fault(folder: Path, **environment: str) -> str:
    script = "from gpt1.training.compilation import *; print(compiler_fault(torch.device('cpu')))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TORCHINDUCTOR_CACHE_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_a_compiler_that_is_there_and_fails_is_found_out_with_its_reason(tmp_path: Path) -> None:
    broken = tmp_path / "g++"
    broken.write_text(
        '#!/bin/sh\ncase "$*" in *--version*) echo "g++ 12.2.0"; exit 0;; esac\n'
        'echo "fatal error: Python.h: No such file or directory" >&2; exit 1\n'
    )
    broken.chmod(0o755)
    found = fault(tmp_path, CXX=str(broken))
    assert found == "fatal error: Python.h: No such file or directory\n"


@pytest.mark.slow
@needs_compiler
def test_a_compiler_that_works_has_no_fault(tmp_path: Path) -> None:
    assert fault(tmp_path) == "\n"


def test_on_a_cpu_nothing_is_compiled() -> None:
    model = GPT(CONFIG)
    compile_parts(model)
    assert all(module._compiled_call_impl is None for module in model.modules())


@pytest.mark.slow
@needs_compiler
def test_what_an_accelerator_compiles_is_one_graph_with_the_loss_and_gradients_of_the_uncompiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The accelerator's forms, compiled for the CPU: fullgraph refuses a break."""
    monkeypatch.setattr(cross_entropy, "cpu", accelerator)
    monkeypatch.setattr(kernels.cpu, "gelu_linear", plain_gelu_linear)
    tokens = torch.randint(50, (3, 9), generator=torch.Generator().manual_seed(0))
    found = {}
    for compiled in (False, True):
        torch.manual_seed(0)
        model = GPT(CONFIG)
        if compiled:
            for module in model.modules():
                if isinstance(module, Block | TokenLosses):
                    module.compile(fullgraph=True)
        loss = model.loss(model.states(tokens[:, :-1]), tokens[:, 1:])
        loss.backward()
        found[compiled] = [loss.detach(), *(each.grad for each in model.parameters())]
    for one, other in zip(found[False], found[True], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def plain_gelu_linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.linear(torch.nn.functional.gelu(x, approximate="tanh"), weight, bias)
