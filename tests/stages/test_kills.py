"""A killed text stage loses only the items in flight, and its rerun gives the same bytes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages import bpe, clean, raw, shards
from tests.gpt1.corpus.test_clean_corpus import prose

ROOT = Path(__file__).parents[2]
STAGES = {
    "raw": ["--path", "books"],
    "clean": ["--raw", "data/raw", "--metrics", "metrics/clean.json"],
    "bpe": ["--documents", "data/clean/train.parquet"],
    "shards": ["--documents", "data/clean", "--bpe", "data/vocabularies/bpe"],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every text stage has run there, undisturbed."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "books").mkdir()
    for n in range(60):
        (folder / f"books/{n:02d}.txt").write_text(prose(n, 8_000))
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params["clean"]["language"] = ""
    params["bpe"]["merges"] = 50
    YAML(typ="safe").dump(params, folder / "params.yaml")
    with contextlib.chdir(folder):
        data = Path("data")
        raw.main(Path("books"), data / "raw")
        clean.main(data / "raw", data / "clean", Path("metrics/clean.json"))
        bpe.main(data / "clean/train.parquet", data / "vocabularies/bpe")
        shards.main(data / "clean", data / "vocabularies/bpe", data / "shards")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_stage_goes_on_and_ends_in_the_same_bytes(project: Path, stage: str) -> None:
    out = project / "again" / stage
    command = [sys.executable, "-m", f"stages.{stage}", *STAGES[stage], "--out", str(out)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GPT1_WORKERS": "1"}
    work = project / ".work" / stage
    running = subprocess.Popen(command, cwd=project, env=environment, start_new_session=True)
    while len(files := [*work.rglob("[0-9]*[0-9]"), *work.rglob("*.txt")]) < 5:
        assert running.poll() is None, "it ended before it could be killed"
        time.sleep(0.002)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not out.exists()
    kept = [file for file in files if file.is_file()]
    assert kept
    subprocess.run(command, cwd=project, env=environment, check=True)
    assert contents(out) == contents(next((project / "data").rglob(stage)))
    assert not list(work.iterdir())
