"""The states of a training run: a folder with the last two of them, one file each.

A file holds the weights, the optimizer's moments and the curve, which has a row for each update
done, and is named after their number: `0001200.safetensors`. Dropout needs no state: its masks
follow from the seed, the update and the micro-batch.

A file is on the disk (fsync) before an older one is removed, and its metadata have a digest of its
tensors, which is compared when it is read. So a power cut or a full disk costs the time since the
last whole state, and nothing begins anew in silence.
"""

import hashlib
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from gpt1.errors import UserError, one_line
from gpt1.files import PARTIAL, publish, remove
from gpt1.training import distributed

KEPT = 2
DIGEST = "sha256"
"""The one key of the metadata; safetensors writes several in random order."""


class Saver:
    """Writes states into a folder: of an accelerator while training goes on.

    Training then stops for a copy into the memory of the host, 12 bytes a parameter. On a CPU the
    copy would take that from the training, so the state is written at once. The end of the block
    waits for the last one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = threading.Thread()
        self._fault = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def start(
        self,
        updates: int,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        curve: np.ndarray,
    ) -> None:
        """Copy the state after `updates` updates, once the last one is written, and write it."""
        self.wait()
        self._fault = ""
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in _moments(optimizer).items()}
        tensors["curve"] = torch.from_numpy(curve[:updates])
        on_host = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        if next(model.parameters()).device.type == "cpu":
            self._write(updates, on_host)
        else:
            on_host["curve"] = on_host["curve"].clone()
            self._thread = threading.Thread(target=self._write, args=(updates, on_host))
            self._thread.start()

    def fault(self) -> str:
        """Why the last state could not be written, and which one is kept; said once."""
        if self._thread.is_alive():
            return ""
        fault, self._fault = self._fault, ""
        return fault

    def wait(self) -> None:
        """Wait until the last state is written, or could not be."""
        if self._thread.ident is not None:
            self._thread.join()

    def _write(self, updates: int, tensors: dict[str, Tensor]) -> None:
        try:
            _write(self._folder, updates, tensors)
        except Exception as error:  # of a thread, which nobody else would see
            last = [int(file.stem) for file in saved(self._folder)][-1:]
            kept = f"the last one is that of update {last[0]}" if last else "there is none yet"
            self._fault = f"cannot save the state ({one_line(error)}); {kept} in {self._folder}"


def _write(folder: Path, updates: int, tensors: dict[str, Tensor]) -> None:
    """Write the state after `updates` updates, and remove all but the last two.

    It takes the bytes of three states on the disk. Raises OSError when it cannot be written; the
    others then stay as they are.
    """
    for part in folder.glob(f".*{PARTIAL}"):  # what a killed process wrote
        remove(part)
    file = folder / f"{updates:07d}.safetensors"
    try:
        with publish(file, durable=True) as beside:
            save_file(tensors, beside, metadata={DIGEST: _digest(tensors)})
    except SafetensorError as error:
        raise OSError(one_line(error)) from None
    kept = [other for other in saved(folder) if int(other.stem) <= updates][-KEPT:]
    for other in {*saved(folder)} - {*kept}:  # a later one was damaged when training resumed
        remove(other)


def restore(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, curve: np.ndarray
) -> int:
    """Load the last whole state into the model, the optimizer and `curve`; return its updates.

    Prints a line when a later one is damaged. Returns 0, and loads nothing, when there is none.
    Raises UserError when there are some and none is whole, or it is that of other code: that is for
    people to decide.
    """
    file, tensors, faults = _last_whole(folder)
    if file is None:
        return 0
    if faults and distributed.rank() == 0:
        print(
            f"warning: {folder}: a state is damaged ({'; '.join(faults)}); "
            f"training resumes from {file.name}",
            file=sys.stderr,
        )
    rows = tensors["curve"].numpy()
    if len(rows) > len(curve):
        raise UserError(
            f"{file}: {len(rows)} updates are done, more than the {len(curve)} that are asked "
            "for; raise epochs"
        )
    try:
        curve[: len(rows)] = rows
        model.load_state_dict(_under("model.", tensors))
    except (ValueError, RuntimeError) as error:  # other columns; other parameters
        raise UserError(
            f"{file}: the state does not fit this code; put the code back, or remove {folder} to "
            f"begin anew ({one_line(error)})"
        ) from None
    _restore_moments(optimizer, _under("optimizer.", tensors))
    return len(rows)


def updates_done(folder: Path) -> int:
    """The updates of the state that `restore` would load; 0 where there is none.

    Reads it, and raises UserError when none is whole.
    """
    file, _, _ = _last_whole(folder)
    return int(file.stem) if file else 0


def saved(folder: Path) -> list[Path]:
    """The files of the states in `folder`, whole or not, in the order of their updates."""
    files = [file for file in folder.glob("*.safetensors") if file.stem.isdecimal()]
    return sorted(files, key=lambda file: int(file.stem))


def _last_whole(folder: Path) -> tuple[Path | None, dict[str, Tensor], list[str]]:
    """The last whole state and its tensors, and what is wrong with those after it."""
    faults: list[str] = []
    for file in reversed(saved(folder)):
        try:
            return file, _read(file), faults
        except (SafetensorError, OSError) as error:
            faults.append(f"{file.name}: {one_line(error)}")
    if faults:
        raise UserError(
            f"{folder}: no state is whole ({'; '.join(faults)}); copy one back from a backup, or "
            "remove that folder to begin anew"
        )
    return None, {}, faults


def _read(file: Path) -> dict[str, Tensor]:
    """Raises SafetensorError or OSError for a file that is not as it was written."""
    with safe_open(file, "pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        written = (opened.metadata() or {}).get(DIGEST)
    if _digest(tensors) != written:
        raise OSError("its bytes are not those that were written")
    return tensors


def _digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of the names, types, shapes and bytes. Of the paper's state, 1.4 GB, a second."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {[*tensor.shape]}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _parameters(optimizer: torch.optim.Optimizer) -> Sequence[Any]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{index}.{name}": tensor
        for index, parameter in enumerate(_parameters(optimizer))
        for name, tensor in optimizer.state.get(parameter, {}).items()
    }


def _restore_moments(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = _parameters(optimizer)
    for name, tensor in tensors.items():
        index, key = name.split(".")
        parameter = parameters[int(index)]
        optimizer.state[parameter][key] = tensor.to(parameter.device)
