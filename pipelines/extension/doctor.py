"""What `gpt1 doctor` finds on this machine, each with what to do where it is wrong.

People put its output into public reports of faults, so that addresses lose their passwords and
paths the name of the home folder.
"""

import contextlib
import io
import os
import platform
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import gpt1
from gpt1 import loopback, machine
from gpt1.environment import Environment
from gpt1.errors import UserError, one_line
from pipelines.execution import commands
from pipelines.flow import servers
from pipelines.graph import graph

if TYPE_CHECKING:
    from dvc.repo import Repo

LIBRARIES = ("dvc", "prefect", "mlflow", "numpy", "pyarrow", "tokenizers")
MEMORY = 3.3e9
"""Bytes that the demo takes at most."""
DISK = 2e9
PASSWORD = r"//[^\s]*@"
SECRET = r"([?&][^=&\s]*(?:password|token|key|secret)[^=&\s]*=)[^&\s]+"


@dataclass(frozen=True)
class Finding:
    what: str
    found: str
    advice: str = ""
    state: Literal["ok", "note", "wrong"] = "ok"
    """`note`: it works, and could do better. `wrong`: something will fail."""

    def __str__(self) -> str:
        line = f"{self.state:6} {self.what:10} {self.found}"
        return _public(f"{line}\n{'':18}{self.advice}" if self.advice else line)


def examine() -> Iterator[Finding]:
    """Yield what is found; what takes seconds, torch and the servers, last."""
    yield Finding("gpt1", f"{version('gpt1')} in {Path(gpt1.__file__).parent}")
    yield Finding("Python", f"{platform.python_version()} on {platform.platform()}")
    yield Finding("libraries", ", ".join(f"{name} {version(name)}" for name in LIBRARIES))
    yield (variables := _variables())
    yield from _size()
    yield _git()
    repo = None
    try:
        repo = graph.open_project()
        yield Finding("project", str(repo.root_dir))
        yield _remote(repo)
    except UserError as error:
        yield Finding("project", str(error), "`gpt1 init DIR` makes one", "note")
    if variables.state == "wrong":
        return
    yield from _device()
    root = Path(repo.root_dir) if repo else None
    tracking, prefect = Environment.read().tracking, os.environ.get("PREFECT_API_URL", "")
    yield _server(root, "mlflow", tracking, f"{tracking}/health", "GPT1_TRACKING")
    yield _server(root, "prefect", prefect, f"{prefect}/health", "PREFECT_API_URL")


def _variables() -> Finding:
    found = " ".join(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("GPT1_"))
    try:
        Environment.read()
    except UserError as error:
        return Finding("variables", found, str(error), "wrong")
    return Finding("variables", found or "no GPT1_*")


def _size() -> Iterator[Finding]:
    cores, of = machine.cores(), os.cpu_count()
    yield Finding("cores", f"{cores} of {of}, at load {os.getloadavg()[0]:.1f}")
    memory = machine.memory()
    yield _at_least("memory", memory, MEMORY, f"{memory / 1e9:.1f} GB", "the demo takes 3.3 GB")
    free = shutil.disk_usage(".").free
    advice = "remove something, or see what `gpt1 prune` would"
    yield _at_least("disk", free, DISK, f"{free / 1e9:.1f} GB free in {Path.cwd()}", advice)


def _at_least(what: str, amount: float, least: float, found: str, advice: str) -> Finding:
    return Finding(what, found) if amount >= least else Finding(what, found, advice, "wrong")


def _git() -> Finding:
    if not shutil.which("git"):
        return Finding("git", "not installed", "DVC needs it", "wrong")
    said = commands.git(Path(), "--version").removeprefix("git version ")
    try:
        commit = commands.git(Path(), "describe", "--always", "--dirty")
        return Finding("git", f"{said}, at {commit}")
    except UserError:
        return Finding("git", f"{said}, no commit here")


def _remote(repo: "Repo") -> Finding:
    name = repo.config["core"].get("remote")
    if not name:
        return Finding("DVC remote", "none: outputs are in the cache of this project alone")
    url = str(repo.config["remote"].get(name, {}).get("url"))
    try:
        remote = repo.cloud.get_remote(name)
    except Exception as error:  # DVC and the packages of its remotes raise many kinds
        return Finding("DVC remote", f"{name} at {url}", one_line(error), "wrong")
    if remote.fs.protocol == "local" and not Path(remote.path).is_dir():
        return Finding("DVC remote", f"{name} at {url}", "no such folder; make it", "wrong")
    return Finding("DVC remote", f"{name} at {url}")


def _device() -> Iterator[Finding]:
    import torch

    from gpt1 import device
    from gpt1.training import cost

    built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "for the CPU"
    yield Finding("torch", f"{torch.__version__}, built {built}")
    for name, fault in device.tried():
        if fault:
            yield Finding(name, "does not compute", fault, "note")
        else:
            yield Finding(name, _card(name))
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # it says what stands above
            chosen = device.device()
    except UserError as error:
        yield Finding("device", "the one that is asked for does not compute", str(error), "wrong")
        return
    rates = {
        name: cost.product_rate(chosen, dtype) / 1e9 for name, dtype in cost.PRECISIONS.items()
    }
    computes = ", ".join(f"{name} {rate:,.0f} GFLOP/s" for name, rate in rates.items())
    yield Finding("device", f"{chosen}, computes: {computes}")
    if cost.emulation(chosen, torch.bfloat16) > cost.EMULATED:
        yield Finding("bf16", "only emulated here", "set `precision: fp32` in params.yaml", "note")
    else:
        yield Finding("bf16", "in hardware")


def _card(name: str) -> str:
    import torch

    if not name.startswith("cuda"):
        return "computes"
    card = torch.cuda.get_device_properties(name)
    return f"{card.name}, {card.total_memory / 1e9:.0f} GB"


def _server(root: Path | None, kind: str, address: str, page: str, variable: str) -> Finding:
    """The server that `variable` names, else the project's own."""
    title = {"mlflow": "MLflow", "prefect": "Prefect"}[kind]
    if not address:
        server = root and servers.running(root, kind)
        return Finding(title, server.address if server else "the project's own; `gpt1 up` shows it")
    if fault := _fault(page):
        advice = f"start the server, or set {variable} to another; unset, it is the project's own"
        return Finding(title, f"{address} does not answer: {fault}", advice, "wrong")
    return Finding(title, f"{address} answers")


def _fault(page: str) -> str:
    os.environ |= loopback.direct()
    try:
        with urllib.request.urlopen(re.sub(PASSWORD, "//", page), timeout=5):
            return ""
    except urllib.error.HTTPError as error:  # something answers, if only that it wants a password
        return "" if error.code < 500 else one_line(error)
    except (OSError, ValueError) as error:
        return one_line(getattr(error, "reason", error))


def _public(text: str) -> str:
    text = re.sub(PASSWORD, "//...@", text)
    return text.replace(str(Path.home()), "~") if Path.home() != Path("/") else text
