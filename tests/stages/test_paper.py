"""`profiles/paper.yaml` holds the paper's value wherever the paper has one."""

import shutil
from pathlib import Path

import pytest

from gpt1 import params
from stages import entry

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "profiles/paper.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)


def test_the_model_and_the_vocabulary_are_the_paper_s() -> None:
    assert params.differences(entry.section(params.Model, "models.gpt")) == {}
    assert params.differences(entry.section(params.BPE, "bpe")) == {}


def test_so_is_the_fine_tuning() -> None:
    for section in entry.sections(params.Finetune, "finetune").values():
        assert params.differences(section) == {}


def test_the_lstm_is_the_paper_s_lstm() -> None:
    lstm = entry.section(params.Model, "models.lstm")
    assert params.differences(lstm) == {}
    assert (lstm.kind, lstm.layers, lstm.width) == ("lstm", 1, 2048)


def test_no_pretraining_differs_in_its_epochs_alone() -> None:
    assert set(params.differences(entry.section(params.Model, "models.scratch"))) == {"epochs"}
