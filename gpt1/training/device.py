"""Where the tensors live."""

import torch

from gpt1.environment import Environment
from gpt1.errors import UserError


def device() -> torch.device:
    """GPT1_DEVICE, else the first accelerator, else the CPU."""
    name = Environment.read().device
    try:
        found = torch.device(name) if name else torch.accelerator.current_accelerator()
        return torch.empty(0, device=found or "cpu").device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"GPT1_DEVICE={name}: no such device here ({reason})") from None
