"""The table of peaks against what the cards are made of, and what utilisation is called."""

import time
from pathlib import Path

import pytest
import torch

from gpt1.device import hardware
from gpt1.training import cost
from gpt1.training.callback import Callback
from gpt1.training.cost import Peak
from gpt1.training.loop import fit
from gpt1.training.memory import peak_memory
from gpt1.training.objective import UpdateCost
from gpt1.training.peaks import CARDS, card, titled
from gpt1.training.progress import Progress
from tests.gpt1.training.test_loop import batch_at, new_model
from tests.gpt1.training.windows import OPTIMIZATION, Windows

CPU = torch.device("cpu")
WITHOUT_BF16 = {
    "V100 SXM": (80, 1.53, 64),
    "V100 PCIe": (80, 1.38, 64),
    "V100S": (80, 1.597, 64),
    "T4": (40, 1.59, 64),
}
"""Multiprocessors, boost clock in GHz, and the multiply-adds of a multiprocessor in a clock: those
of plain cores in fp32."""
WITH_BF16 = {
    "A100": (108, 1.41, 1024),
    "A30": (56, 1.44, 1024),
    "A10": (72, 1.695, 512),
    "A10G": (80, 1.71, 256),
    "A40": (84, 1.74, 512),
    "RTX A6000": (84, 1.8, 512),
    "RTX 3090": (82, 1.695, 256),
    "RTX 3090 Ti": (84, 1.86, 256),
    "L4": (58, 2.04, 512),
    "L40": (142, 2.49, 256),
    "L40S": (142, 2.52, 512),
    "RTX 4090": (128, 2.52, 256),
    "RTX 6000 Ada": (142, 2.505, 512),
    "H100 SXM": (132, 1.83, 2048),
    "H100 PCIe": (114, 1.62, 2048),
    "H200": (132, 1.83, 2048),
    "GH200": (132, 1.83, 2048),
    "RTX 5090": (170, 2.407, 256),
}
"""The same of tensor cores, in bf16 with fp32 accumulation; in TF32 it is half of that. GeForce
cards, the A10G and the L40 have half of their architecture's rate, and Hopper's tensor cores a
boost clock of their own."""


@pytest.mark.parametrize("title", [*WITHOUT_BF16, *WITH_BF16])
def test_a_published_peak_is_that_of_its_cores_at_their_boost_clock(title: str) -> None:
    multiprocessors, clock, products = (WITHOUT_BF16 | WITH_BF16)[title]
    computed = 2e9 * multiprocessors * clock * products
    expected = (computed, computed / 2) if title in WITH_BF16 else (0, computed)
    found = [titled(title).peak("bf16"), titled(title).peak("fp32")]
    assert found == pytest.approx(expected, rel=0.015)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Tesla V100-SXM2-32GB", "V100 SXM"),
        ("Tesla V100-PCIE-16GB", "V100 PCIe"),
        ("Tesla V100S-PCIE-32GB", "V100S"),
        ("Tesla T4", "T4"),
        ("A100-SXM4-40GB", "A100"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA A100-PCIE-40GB", "A100"),
        ("NVIDIA A100 80GB PCIe", "A100"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H100 NVL", "H100 NVL"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA H200 NVL", "H200 NVL"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA B200", "B200"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA GeForce RTX 5090", "RTX 5090"),
    ],
)
def test_a_card_is_found_by_the_name_that_its_driver_gives_it(name: str, title: str) -> None:
    found = card(name)
    assert found
    assert found.title == title


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
        "NVIDIA H100 80GB HBM3 MIG 3g.40gb",
        "NVIDIA A100-SXM-64GB",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce GTX 1080",
        "AMD Instinct MI300X",
    ],
)
def test_a_part_of_a_card_and_another_card_of_like_name_have_no_peak_of_its(name: str) -> None:
    assert card(name) is None


def test_titles_are_distinct_and_only_cards_without_bf16_lack_its_peak() -> None:
    assert len({each.title for each in CARDS}) == len(CARDS)
    assert {each.title for each in CARDS if not each.bf16} == {*WITHOUT_BF16}


def test_of_a_cpu_the_peak_is_the_rate_of_a_product() -> None:
    found = cost.peak(CPU, "fp32")
    assert not found.published
    assert found.rate > 1e9


class Speeds(Callback):
    """Keeps the last speed."""

    speed: dict[str, float]

    def on_speed(self, updates: int, speed: dict[str, float]) -> None:
        self.speed = speed


@pytest.mark.parametrize(
    ("published", "key", "said"),
    [
        (True, "utilisation", "of the peak="),
        (False, "product_utilisation", "of a product's rate="),
    ],
)
def test_the_bar_and_the_speed_say_what_utilisation_is_a_share_of(
    capsys: pytest.CaptureFixture[str], published: bool, key: str, said: str
) -> None:
    update = UpdateCost(tokens=64, operations=1e6, peak=Peak(2e9, published))
    with Progress("test", 0, 9, update, CPU, shown=True) as bar:
        bar.advance({"loss": 1.0})
        time.sleep(1.1)  # the bar measures its rate once a second
        bar.advance({"loss": 1.0})
        speed = bar.speed()
    assert {*speed} == {"tokens_per_second", key, "hours_left", "memory_gb"}
    assert speed[key] == pytest.approx(speed["tokens_per_second"] / 64 * 1e6 / 2e9)
    shown = capsys.readouterr().err
    assert said in shown
    assert "memory=" in shown


def test_a_training_without_a_cost_still_tells_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpt1.training.loop.SPEED_SECONDS", 0.0)
    speeds, objective = Speeds(), Windows(new_model(), 3, batch_at, batch=8)
    fit(objective, OPTIMIZATION, state=tmp_path, title="test", callbacks=[speeds])
    assert {*speeds.speed} == {"memory_gb"}


def test_peak_memory_grows_by_what_a_process_holds_and_never_falls() -> None:
    before = peak_memory(CPU)
    ones = torch.ones(1 << 28, dtype=torch.uint8)  # 268 MB
    held = peak_memory(CPU)
    del ones
    assert peak_memory(CPU) >= held >= before
    assert held > 1 << 28


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA card")
def test_a_card_tells_its_name_memory_driver_and_peak() -> None:
    place = torch.device("cuda:0")
    found = hardware(place)
    assert {"gpu", "gpu.memory", "gpu.driver", "version.cuda"} <= {*found}
    listed = card(found["gpu"])
    peak = cost.peak(place, "fp32")
    assert peak.published == (listed is not None)
    torch.ones(1 << 20, device=place)
    assert peak_memory(place) >= 1 << 22
