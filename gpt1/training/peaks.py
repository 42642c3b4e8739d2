"""Published peaks of GPUs, for utilisation and for `gpt1 plan --cost`.

Dense operations a second, without sparsity: where a data sheet gives the sparse rate alone, half of
it. bf16 is that of tensor cores with fp32 accumulation, as PyTorch computes; 0 where they have no
bf16 (their 16-bit peak is fp16's, which nothing here computes). fp32 is that of TF32 on tensor
cores, in which `gpt1.device` has PyTorch compute; of cards without it, that of the other cores.

A name is what the driver says (`torch.cuda.get_device_name`), as a regular expression for all of
it: a part of a divided card (`... MIG 1g.10gb`), a laptop's version and a card that a provider had
made for itself have other peaks, and are unknown here.
"""

import re
from dataclasses import dataclass
from typing import Literal

Precision = Literal["bf16", "fp32"]


@dataclass(frozen=True)
class Card:
    """A GPU and its peaks in operations a second."""

    title: str
    name: str
    """A regular expression."""
    bf16: float
    fp32: float

    def peak(self, precision: Precision) -> float:
        """Operations a second in that precision; 0 where the hardware does not have it."""
        return self.bf16 if precision == "bf16" else self.fp32


CARDS = (
    # Tesla V100 and V100S data sheets; their 112 to 130 TFLOP/s are fp16
    Card("V100 SXM", r"Tesla V100-SXM[23]-\d+GB", 0.0, 15.7e12),
    Card("V100 PCIe", r"Tesla V100-PCIE-\d+GB", 0.0, 14.0e12),
    Card("V100S", r"Tesla V100S-PCIE-32GB", 0.0, 16.4e12),
    Card("T4", r"Tesla T4", 0.0, 8.1e12),  # T4 data sheet; its 65 are fp16
    # A100, A30, A10, A10G (of AWS) and A40 data sheets
    Card("A100", r"(NVIDIA )?A100(-SXM4-[48]0GB|-PCIE-[48]0GB| 80GB PCIe)", 312e12, 156e12),
    Card("A30", r"NVIDIA A30", 165e12, 82e12),
    Card("A10", r"NVIDIA A10", 125e12, 62.5e12),
    Card("A10G", r"NVIDIA A10G", 70e12, 35e12),
    Card("A40", r"NVIDIA A40", 149.7e12, 74.8e12),
    # NVIDIA Ampere GA102 GPU architecture, white paper, appendices A and B
    Card("RTX A6000", r"NVIDIA RTX A6000", 154.8e12, 77.4e12),
    Card("RTX 3090", r"NVIDIA GeForce RTX 3090", 71e12, 35.6e12),
    Card("RTX 3090 Ti", r"NVIDIA GeForce RTX 3090 Ti", 80e12, 40e12),
    # L4, L40 and L40S data sheets
    Card("L4", r"NVIDIA L4", 121e12, 60e12),
    Card("L40", r"NVIDIA L40", 181e12, 90.5e12),
    Card("L40S", r"NVIDIA L40S", 362e12, 183e12),
    # NVIDIA Ada GPU architecture, white paper, appendix A; RTX 6000 Ada data sheet
    Card("RTX 4090", r"NVIDIA GeForce RTX 4090", 165.2e12, 82.6e12),
    Card("RTX 6000 Ada", r"NVIDIA RTX 6000 Ada Generation", 364.2e12, 182.1e12),
    # H100 and H200 data sheets; GH200 data sheet
    Card("H100 SXM", r"NVIDIA H100 80GB HBM3", 989e12, 494.5e12),
    Card("H100 PCIe", r"NVIDIA H100 PCIe", 756e12, 378e12),
    Card("H100 NVL", r"NVIDIA H100 NVL", 835e12, 417.5e12),
    Card("H200", r"NVIDIA H200", 989e12, 494.5e12),
    Card("H200 NVL", r"NVIDIA H200 NVL", 835e12, 417.5e12),
    Card("GH200", r"NVIDIA GH200 480GB", 989e12, 494.5e12),
    # NVIDIA Blackwell data sheet: HGX B200, and the B200 of a GB200 NVL72
    Card("B200", r"NVIDIA B200", 2250e12, 1100e12),
    Card("GB200", r"NVIDIA GB200", 2500e12, 1250e12),
    # NVIDIA RTX Blackwell GPU architecture, white paper, appendix A
    Card("RTX 5090", r"NVIDIA GeForce RTX 5090", 209.5e12, 104.8e12),
)


def card(name: str) -> Card | None:
    """The card that a driver calls `name`; None for one that is not listed."""
    return next((each for each in CARDS if re.fullmatch(each.name, name)), None)


def titled(title: str) -> Card:
    """The card of that title, which must be listed."""
    return next(each for each in CARDS if each.title == title)
