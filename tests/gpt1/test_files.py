import os
import stat
from pathlib import Path

import pytest

from gpt1.errors import UserError
from gpt1.files import publish, read_yaml


def test_a_block_that_raises_leaves_the_old_output_and_nothing_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    with pytest.raises(RuntimeError), publish(out) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_system_that_refuses_fsync_of_a_folder_costs_no_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_folders(opened: int) -> None:
        if stat.S_ISDIR(os.fstat(opened).st_mode):
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse_folders)
    with publish(tmp_path / "out", durable=True) as beside:
        beside.mkdir()
        (beside / "file").touch()
    assert (tmp_path / "out/file").exists()


def test_a_folder_replaces_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    out = tmp_path / "deep/out"
    for text in ("first", "second"):
        with publish(out) as beside:
            beside.mkdir()
            (beside / text).write_text(text)
    assert [path.name for path in out.iterdir()] == ["second"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n b: 2\n", "line 2: mapping values are not allowed"),
        ("a: \x01\n", "control characters are not allowed"),
    ],
)
def test_a_mistake_in_yaml_is_one_line_that_names_the_place(
    text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError, match=f"a.yaml: not YAML: .*{said}") as error:
        read_yaml(tmp_path / "a.yaml")
    assert "\n" not in str(error.value)
