"""The profiles that ask the paper's questions; each of their sections is sound."""

import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gpt1 import params
from stages import entry

ROOT = Path(__file__).parents[2]


LEFT_OUT = {"claims": set(), "novels": {"scaling"}}


@pytest.fixture(params=LEFT_OUT)
def claims(request, tmp_path, monkeypatch):
    shutil.copy(ROOT / f"profiles/{request.param}.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return YAML(typ="safe").load(tmp_path / "params.yaml")


def test_every_section_of_the_profile_is_sound(claims, request):
    left_out = LEFT_OUT[request.node.callspec.params["claims"]]
    for name, cls in {
        "no_auxiliary": params.NoAuxiliary,
        "transfer": params.Transfer,
        "zero_shot": params.ZeroShot,
        "samples": params.Samples,
        "shuffling": params.Shuffling,
        "scaling": params.Scaling,
        "compare": params.Compare,
    }.items():
        lists = vars(entry.section(cls, name)).values()
        assert all(lists) != (name in left_out), f"{name} leaves a question out"
    entry.sections(params.Finetune, "finetune")
    models = entry.sections(params.Model, "models")
    for contiguous, shuffled in zip(*(claims["shuffling"][k] for k in ORDERS), strict=True):
        pair = vars(models[contiguous]), vars(models[shuffled])
        assert {key for key in pair[0] if pair[0][key] != pair[1][key]} == {"books", "shards"}


ORDERS = ("contiguous", "shuffled")


def test_the_graph_of_the_profile_has_each_analysis_and_the_demo_has_none(claims, tmp_path):
    analyses = (
        "finetune_transfer",
        "zero_shot",
        "samples",
        "finetune_no_auxiliary",
        "shards_shuffled",
        "shuffled",
    )
    assert not set(analyses) & groups(ROOT)
    for name in (".dvc/config", ".dvcignore", "dvc.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    subprocess.run(["git", "init", "-q"], check=True)
    assert set(analyses) <= groups(tmp_path)


def groups(folder):
    """The names of the stages, without their items."""
    listed = subprocess.run(
        ["dvc", "stage", "list", "--name-only"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return {line.split("@")[0] for line in listed.stdout.split()}
