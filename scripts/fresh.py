"""Set up the last commit in an empty folder as on a stranger's machine, and run its demo.

No setting of pip or uv, no cache and no variable of a Python environment reaches it. The demo is
cut to its smallest: the set-up is what is tried. Prints a table of what it took. The download is
what all network interfaces received meanwhile, so other programs' traffic counts as well.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLIENT = ("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "CONDA_", "GPT1_", "DVC_", "PREFECT_", "MLFLOW_")
SMALLEST = """
from pathlib import Path
from ruamel.yaml import YAML

yaml, file = YAML(), Path("params.yaml")
params = yaml.load(file)
params["bpe"]["merges"] = 500
params["models"]["gpt"] |= {"layers": 1, "width": 32, "heads": 2, "context": 64, "epochs": 1}
for task in params["derived_tasks"].values():
    task |= {"train": 100, "dev": 20, "test": 40}
for task in params["finetune"].values():
    task["epochs"] = 1
yaml.dump(params, file)
"""


def main() -> None:
    source = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory(prefix="gpt1-fresh-") as folder:
        clone, caches = Path(folder, "gpt1"), Path(folder, "caches")
        subprocess.run(["git", "clone", "--quiet", source, clone], check=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(CLIENT)} | {
            "PATH": os.pathsep.join(outside(source, os.environ["PATH"].split(os.pathsep))),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_CACHE_DIR": "1",
            "UV_NO_CONFIG": "1",
            "UV_CACHE_DIR": str(caches),
            "XDG_CACHE_HOME": str(caches),
        }
        make = ["make", f"PYTHON={sys.executable}"]
        rows = [timed("set-up", [*make, "setup"], clone, environment)]
        python = clone / ".venv" / "bin" / "python"
        subprocess.run([python, "-c", SMALLEST], cwd=clone, env=environment, check=True)
        rows.append(timed("demo, smallest", [*make, "run"], clone, environment))
        rows.append(timed("demo again", [*make, "run"], clone, environment))
        torch = [python, "-c", "import torch; print(torch.__version__)"]
        built = subprocess.run(torch, capture_output=True, text=True, check=True).stdout.strip()
        print(f"\nPython {platform.python_version()}, torch {built}, {platform.platform()}")
        print(f"{'':16}{'seconds':>9}{'MB down':>9}")
        for name, seconds, megabytes in rows:
            print(f"{name:16}{seconds:9.0f}{megabytes:9.0f}")
        for name in (".venv", "."):
            print(f"{name:16}{disk(clone / name):9.0f} MB of disk")


def timed(
    name: str, command: list[str], folder: Path, environment: dict[str, str]
) -> tuple[str, float, float]:
    """Run `command`; `name`, its seconds and the megabytes downloaded meanwhile."""
    print(f"\n{name}: {' '.join(command)}", flush=True)
    start, before = time.monotonic(), received()
    done = subprocess.run(command, cwd=folder, env=environment, check=False)
    if done.returncode:
        sys.exit(f"error: {name} failed with {done.returncode}")
    return name, time.monotonic() - start, (received() - before) / 1e6


def received() -> int:
    """Bytes that the network interfaces but loopback have received; 0 where Linux does not say."""
    table = Path("/proc/net/dev")
    rows = table.read_text().splitlines()[2:] if table.exists() else []
    interfaces = [row.partition(":") for row in rows]
    return sum(int(numbers.split()[0]) for name, _, numbers in interfaces if name.strip() != "lo")


def outside(source: Path, folders: list[str]) -> list[str]:
    """Without the environment of this clone, which make puts first."""
    return [folder for folder in folders if not Path(folder).is_relative_to(source)]


def disk(folder: Path) -> float:
    """Megabytes below `folder`; a file with several names is counted once."""
    sizes = {
        (found.st_dev, found.st_ino): found.st_blocks * 512
        for found in (path.lstat() for path in folder.rglob("*"))
    }
    return sum(sizes.values()) / 1e6


if __name__ == "__main__":
    main()
