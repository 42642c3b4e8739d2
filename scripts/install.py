"""Create the virtual environment: `python scripts/install.py VENV [EXTRA ...]`.

Needs the standard library alone. Every package has the version and the hash that constraints.txt
gives. torch is the exception where a build without CUDA is to be had, which takes 0.8 GB of disk
instead of 4.3: pip's settings may offer one, and PyTorch's own index has one for machines without
an NVIDIA driver. The variable TORCH names another build, as `uv pip install --torch-backend` does:
`cpu`, `cu126`, `auto`; `pypi` takes PyPI's.
"""

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

LOCK = Path("constraints.txt")
ON_PATH = (
    "import os, sys; here = os.path.join(sys.prefix, 'bin'); "
    "path = os.environ.get('PATH', os.defpath); "
    "os.environ['PATH'] = path if path.startswith(here) else here + os.pathsep + path\n"
)
"""What Python runs at each start: dvc.yaml says `python`, which `.venv/bin/dvc` has to find even
where nobody activated the environment."""
INDEX_SETTINGS = ("index-url", "extra-index-url", "find-links")


def main() -> None:
    directory, extras = Path(sys.argv[1]), sys.argv[2:]
    python = directory / "bin" / "python"
    if Path(sys.prefix).resolve() != directory.resolve():
        venv.create(directory, clear=True, with_pip=True, symlinks=True)
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "install", "-q", "--require-hashes", "--requirement", "/dev/stdin", input=entry("uv"))
    settings = pip_settings(pip)
    if index := settings.get("index-url"):  # uv does not read pip's settings
        os.environ.setdefault("UV_DEFAULT_INDEX", index)
    if sys.platform == "linux":
        install_torch(python, pip, settings)
    project = f".[{','.join(extras)}]" if extras else "."
    uv_install(python, "--constraint", LOCK, "--editable", project)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    Path(packages.stdout.strip(), "gpt1_path.pth").write_text(ON_PATH)


def install_torch(python: Path, pip: list[str | Path], settings: dict[str, str]) -> None:
    """Install a build without CUDA, or the one that TORCH names; nothing where it is PyPI's."""
    wanted, torch = os.environ.get("TORCH", ""), f"torch=={locked('torch')}"
    if wanted == "pypi" or (not wanted and installed(python, "torch") == locked("torch")):
        return
    if wanted:
        uv_install(python, "--no-deps", "--reinstall", "--torch-backend", wanted, torch)
    elif settings.keys() & {*INDEX_SETTINGS} and offers_cpu_build(pip, torch):
        run(*pip, "install", "-q", "--no-deps", torch)
    elif not Path("/proc/driver/nvidia/version").exists():
        os.environ.setdefault("UV_HTTP_RETRIES", "1")
        try:
            uv_install(python, "--no-deps", "--torch-backend", "cpu", torch, capture_output=True)
        except subprocess.CalledProcessError:
            print(
                "PyTorch's index of CPU builds cannot be reached, so torch comes with CUDA, 3.5 GB "
                f"more; to do without, `{python} -m pip install` a CPU wheel of {torch}, then make",
                file=sys.stderr,
            )


def offers_cpu_build(pip: list[str | Path], torch: str) -> bool:
    """Whether pip, as it is set up here, would take a CPU build."""
    command = [*pip, "install", "-q", "--dry-run", "--no-deps", "--report", "-", torch]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        return False
    chosen = json.loads(answer.stdout)["install"]
    return bool(chosen) and chosen[0]["metadata"]["version"].endswith("+cpu")


def pip_settings(pip: list[str | Path]) -> dict[str, str]:
    """pip's settings by their last name, from its files and its environment variables."""
    listed = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True)
    return dict(re.findall(r"^\S*\.([\w-]+)='(.*)'$", listed.stdout, re.MULTILINE))


def entry(package: str) -> str:
    """The lines of `package` in the lock file: its version and hashes."""
    return re.search(rf"^{package}==.*\n(    .*\n)*", LOCK.read_text(), re.MULTILINE)[0]


def locked(package: str) -> str:
    """The version of `package` in the lock file."""
    return re.match(r"[\w-]+==([\w.]+)", entry(package))[1]


def installed(python: Path, package: str) -> str:
    """The public version of `package` in the environment of `python`; empty where it has none."""
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    answer = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    return answer.stdout.strip().partition("+")[0]


def uv_install(python: Path, *arguments: str | Path, **options: Any) -> None:
    """Install and compile to bytecode.

    Where PYTHONDONTWRITEBYTECODE is set, as in many containers, no process would keep what it
    compiles, and each start of a stage would take seconds longer.
    """
    command = [python.with_name("uv"), "pip", "install", "--quiet", "--compile-bytecode"]
    run(*command, "--python", python, *arguments, **options)


def run(*command: str | Path, **options: Any) -> None:
    subprocess.run(command, check=True, text=True, **options)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        command = " ".join(map(str, failed.cmd))
        sys.exit(f"error: failed: {command}; try again, or remove {sys.argv[1]} and start anew")
