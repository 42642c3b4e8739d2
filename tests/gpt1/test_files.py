from pathlib import Path

import pytest

from gpt1.files import publish


def test_a_block_that_raises_leaves_the_old_output_and_nothing_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    with pytest.raises(RuntimeError), publish(out) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_replaces_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    out = tmp_path / "deep/out"
    for text in ("first", "second"):
        with publish(out) as beside:
            beside.mkdir()
            (beside / text).write_text(text)
    assert [path.name for path in out.iterdir()] == ["second"]
