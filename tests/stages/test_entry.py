import os
import subprocess
import sys
from pathlib import Path

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
