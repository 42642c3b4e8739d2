import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gpt1.errors import UserError
from stages import entry

STAGE = """
from gpt1.errors import UserError
from stages import entry
def main(size: int) -> None:
    if size < 0:
        raise UserError("size is negative; give a positive one")
    print(size + 1)
entry.run(main)
"""


def stage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "stage.py").write_text(STAGE)
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "stage.py", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )


def test_arguments_follow_the_signature_of_the_stage(tmp_path: Path) -> None:
    assert stage(tmp_path, "--size", "4").stdout == "5\n"


def test_an_error_for_people_is_one_line_and_a_failing_exit(tmp_path: Path) -> None:
    done = stage(tmp_path, "--size", "-4")
    assert done.returncode == 1
    assert done.stderr == "error: size is negative; give a positive one\n"


def test_a_zero_shot_task_without_a_heuristic_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = YAML(typ="safe").load(Path(__file__).parents[2] / "params.yaml")
    for task, refused in (("next_sentence", False), ("book", True)):
        params["zero_shot"]["tasks"] = [task]
        YAML(typ="safe").dump(params, tmp_path / "params.yaml")
        if refused:
            with pytest.raises(UserError, match=r"zero_shot\.tasks names book, for which"):
                entry.check()
        else:
            entry.check()


def test_a_key_that_stands_twice_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("bpe:\n  merges: 1\nmodels: {}\nbpe:\n  merges: 2\n")
    with pytest.raises(UserError, match=r"^params\.yaml: line 4: the key `bpe` a second time$"):
        entry.check()


def test_threads_that_wait_spin_shortly_unless_someone_says_how_they_wait() -> None:
    ask = "import os, stages; print(os.environ.get('GOMP_SPINCOUNT'))"

    def spins(**chosen: str) -> str:
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
        command = [sys.executable, "-c", ask]
        return subprocess.run(
            command,
            env=plain | chosen,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert spins() == "2500"
    assert spins(GOMP_SPINCOUNT="7") == "7"
    assert spins(OMP_WAIT_POLICY="active") == "None"


@pytest.mark.parametrize(
    ("command", "imported"),
    [("gpt1 doctor", "typer"), ("gpt1 generate a b", "torch"), ("stages.pretrain", "torch")],
)
def test_ctrl_c_while_python_imports_is_no_traceback(
    command: str, imported: str, tmp_path: Path
) -> None:
    def listen() -> None:  # a shell's jobs in the background ignore it
        signal.signal(signal.SIGINT, signal.default_int_handler)

    interrupt = "import signal; signal.raise_signal(signal.SIGINT)"
    (tmp_path / f"{imported}.py").write_text(f"{interrupt}\nraise ImportError('it went on')\n")
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=listen,
    )
    assert done.returncode in (-signal.SIGINT, 130), "which is 130 in a shell"
    assert len(done.stderr.strip().splitlines()) <= 1


def test_ctrl_c_in_a_stage_ends_it_silently_with_130(tmp_path: Path) -> None:
    (tmp_path / "stage.py").write_text(STAGE.replace("print(size + 1)", "raise KeyboardInterrupt"))
    command = [sys.executable, "stage.py", "--size", "1"]
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": root}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")
