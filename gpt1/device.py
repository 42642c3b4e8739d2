"""Where the tensors live."""

import os

import torch

from gpt1.environment import Environment
from gpt1.errors import UserError


def device() -> torch.device:
    """GPT1_DEVICE, else an accelerator (each process of a machine has its own), else the CPU."""
    name = Environment.read().device
    try:
        if not name and (kind := torch.accelerator.current_accelerator()):
            torch.accelerator.set_device_index(int(os.environ.get("LOCAL_RANK", "0")))
            name = kind.type
        return torch.empty(0, device=name or "cpu").device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"GPT1_DEVICE={name}: no such device here ({reason})") from None
