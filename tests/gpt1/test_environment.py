import pytest

from gpt1.environment import Environment


def test_variables_are_read_with_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT1_NPROC", "2")
    monkeypatch.setenv("GPT1_DEVICE", "cuda:1")
    found = Environment.read()
    assert (found.nproc, found.device, found.dask) == (2, "cuda:1", "")
