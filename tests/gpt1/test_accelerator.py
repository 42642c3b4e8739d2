"""What runs on the CPU runs on a device that is not the CPU, and seldom waits for it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def on(device: str, folder: Path) -> dict[str, Any]:
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("on_device.py")), device, str(folder)],
        env=os.environ | {"PYTHONPATH": path, "GPT1_DEVICE": device},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def cpu(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return on("cpu", tmp_path_factory.mktemp("cpu"))


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return on("private", tmp_path_factory.mktemp("device"))


def test_pretraining_and_fine_tuning_give_the_losses_of_the_cpu(
    cpu: dict[str, Any], device: dict[str, Any]
) -> None:
    assert {*cpu} == {*device}
    for name, found in device.items():
        assert found["curve"] == pytest.approx(cpu[name]["curve"], abs=1e-5), name


def test_a_model_scores_generates_and_answers_as_on_the_cpu(
    cpu: dict[str, Any], device: dict[str, Any]
) -> None:
    for name, found in device.items():
        if "uses" in found:
            expected = cpu[name]["uses"]
            assert found["uses"]["loss"] == pytest.approx(expected["loss"], abs=1e-5)
            assert found["uses"]["greedy"] == expected["greedy"]
            ours, theirs = found["uses"]["scores"], expected["scores"]
        else:
            ours, theirs = found["scores"], cpu[name]["scores"]
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert one == pytest.approx(other, abs=1e-5)


def test_a_training_that_was_stopped_ends_there_in_the_same_bits(device: dict[str, Any]) -> None:
    whole, resumed = device["dropout"], device["resumed"]
    assert resumed["curve"] == whole["curve"]
    assert resumed["weights"] == whole["weights"]


def test_no_update_of_a_training_makes_the_host_wait(device: dict[str, Any]) -> None:
    for name, found in device.items():
        if name != "resumed":  # which saves in the middle
            assert len(found["waits"]) == 6
            assert not any(found["waits"][1:]), name  # the first one puts the model there


def test_an_update_launches_as_many_kernels_as_the_documentation_says(
    device: dict[str, Any],
) -> None:
    """Uncompiled, and with attention written out."""
    two, three = (device[f"in one piece, {n} layers"]["launches"][2] for n in (2, 3))
    text = (ROOT / "docs/training.md").read_text()
    found = re.search(r"(\d+) launches a layer and (\d+) beside", " ".join(text.split()))
    assert found
    assert (three - two, two - 2 * (three - two)) == (int(found[1]), int(found[2]))
