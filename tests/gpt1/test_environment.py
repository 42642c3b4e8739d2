from pathlib import Path

import pytest

from gpt1.environment import Environment
from gpt1.errors import UserError


def test_variables_are_read_with_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT1_NPROC", "2")
    monkeypatch.setenv("GPT1_DEVICE", "cuda:1")
    found = Environment.read()
    assert (found.nproc, found.device, found.dask) == (2, "cuda:1", "")


def test_a_wrong_number_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT1_NPROC", "two")
    with pytest.raises(UserError, match="GPT1_NPROC=two: must be a whole number"):
        Environment.read()
    monkeypatch.setenv("GPT1_NPROC", "0")
    with pytest.raises(UserError, match="GPT1_NPROC must be 1 or more"):
        Environment.read()
    monkeypatch.setenv("GPT1_NPROC", "1")
    monkeypatch.setenv("GPT1_RESUME", "1")
    with pytest.raises(UserError, match="GPT1_RESUME=1: must be `changed` or `skip`"):
        Environment.read()


def test_a_profile_folder_that_cannot_be_is_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "file/below/it"):
        monkeypatch.setenv("GPT1_PROFILE", str(tmp_path / name))
        with pytest.raises(UserError, match=f"^GPT1_PROFILE=.*{name}: {tmp_path}/file is a file"):
            Environment.read()
    monkeypatch.setenv("GPT1_PROFILE", str(tmp_path / "new/folder"))
    assert Environment.read().profile
    assert not (tmp_path / "new").exists(), "the training makes it"
    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda *_: False)  # to root everything is writable
        with pytest.raises(UserError, match=f"{tmp_path} cannot be written; name another folder"):
            Environment.read()
