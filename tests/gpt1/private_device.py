"""A device that is not the CPU, computes on it, and tells what a program asks of a device.

It is registered with PyTorch as `private`. A tensor on it holds one on the CPU, on which each
operation is computed, so results can be compared with those of the CPU. A tensor that was left on
the CPU beside one on the device is an error, as on a GPU. Counted are

- launches: operations that would start a kernel. Views start none; an operation may start several,
  and a compiler makes one of several.
- waits: what makes the host wait for a GPU: a number that is read, a copy that is blocking, a shape
  that depends on numbers.

It has no autocast (products stay fp32) and no memory of its own. PyTorch registers one such device
a process, and takes it for the accelerator: import this in a process of its own, first.
"""

import traceback
from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.utils import _foreach_utils as foreach
from torch.utils import _pytree as pytree
from torch.utils import backend_registration as registration
from torch.utils._python_dispatch import return_and_correct_aliasing

aten = torch.ops.aten
COPIES = {aten.copy_.default, aten._to_copy.default}
WAITS = {
    aten._local_scalar_dense.default,
    aten.bincount.default,
    aten.equal.default,
    aten.masked_select.default,
    aten.nonzero.default,
    aten.repeat_interleave.Tensor,
}
launches, waits = Counter[str](), Counter[str]()
_pinned: set[int] = set()


class Module(registration._DummyBackendModule):
    """`torch.private`."""

    def device_count(self) -> int:
        return 1

    def is_initialized(self) -> bool:
        return True

    def manual_seed_all(self, seed: int) -> None:
        """The CPU's generator draws."""

    def _is_in_bad_fork(self) -> bool:
        return False

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


class Private(Tensor):
    """A tensor on the device."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor) -> "Private":
        made = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device="private:0",
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        leaves = [each for each in pytree.tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        _count(op, args, kwargs, leaves)
        for each in leaves:
            if not isinstance(each, Private) and each.dim() and op not in COPIES:
                raise RuntimeError(f"{op}: a tensor on the CPU beside one on the device")
        held = {name: each for name, each in kwargs.items() if name != "non_blocking"}
        target = held.get("device")
        if target is not None:
            held["device"] = "cpu"
        args_held, held = pytree.tree_map_only(Private, lambda each: each.held, (args, held))
        found = op(*args_held, **held)
        if op is aten._local_scalar_dense.default:
            return found
        if target is not None and torch.device(target).type == "cpu":
            return found
        if op is aten.copy_.default and not isinstance(args[0], Private):
            return args[0]
        found = pytree.tree_map_only(Tensor, Private, found)
        return return_and_correct_aliasing(op, args, kwargs, found)


def _count(op: Any, args: Any, kwargs: Any, leaves: list[Tensor]) -> None:
    launched = not op.is_view and op.name() not in {"aten::detach", "aten::_unsafe_view"}
    if launched and not op.name().startswith("aten::empty"):
        launches[op.name()] += 1
    on_cpu = [each for each in leaves if not isinstance(each, Private)]
    target = kwargs.get("device")
    to_cpu = (
        op is aten._to_copy.default and target is not None and torch.device(target).type == "cpu"
    )
    blocking = not (
        kwargs.get("non_blocking") or (op is aten.copy_.default and args[2:3] == (True,))
    )
    is_copy = op in COPIES and (to_cpu or on_cpu)
    pinned = [id(each) in _pinned and each.is_contiguous() for each in on_cpu]
    unpinned = not all(pinned) and not to_cpu
    by_mask = op is aten.index.Tensor and any(
        each is not None and each.dtype == torch.bool for each in args[1]
    )
    if op in WAITS or by_mask or (is_copy and (blocking or unpinned)):
        frames = [each for each in traceback.extract_stack() if "/gpt1/" in each.filename]
        ours = [each for each in frames if "/tests/" not in each.filename]
        where = f"{ours[-1].filename.partition('/gpt1/')[2]}: {ours[-1].line}" if ours else "?"
        waits[f"{op.name()} in {where}"] += 1


def _pin(tensor: Tensor) -> Tensor:
    copy = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype).copy_(tensor)
    _pinned.add(id(copy))
    _kept.append(copy)  # an id is of one object for as long as it lives
    return copy


_kept: list[Tensor] = []


class _Event:
    """All is done at once here, so there is nothing to wait for."""

    def __init__(self, device: str) -> None:
        self.device = device

    def record(self) -> None:
        pass

    def synchronize(self) -> None:
        pass


class _Generator(torch.Generator):
    def __new__(cls, device: object = "cpu") -> "_Generator":
        return super().__new__(cls)


def _synchronize(device: object = None) -> None:
    waits["synchronize"] += 1


def _register() -> None:
    registration._setup_privateuseone_for_python_backend("private", Module())
    library = torch.library.Library("aten", "IMPL")
    for name in ("empty.memory_format", "empty_strided"):
        op = getattr(getattr(aten, name.partition(".")[0]), name.partition(".")[2] or "default")

        def made(*args: Any, op: Any = op, **kwargs: Any) -> Private:
            return Private(op(*args, **kwargs | {"device": "cpu", "pin_memory": False}))

        library.impl(name, made, "PrivateUse1")

    def copy_from(source: Tensor, target: Private, non_blocking: bool = False) -> Tensor:
        waits["torch.tensor(..., device)"] += 1
        target.held.copy_(source)
        return target

    library.impl("_copy_from", copy_from, "PrivateUse1")
    autocast = torch.library.Library("_", "IMPL")
    autocast.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    _libraries.extend([library, autocast])
    foreach._foreach_supported_types.append(Private)
    Tensor.pin_memory = _pin  # type: ignore[assignment]
    torch.inference_mode = torch.no_grad  # type: ignore[misc]  # subclasses cannot be detached in it
    torch.Generator = _Generator  # type: ignore[misc]
    torch.Event = _Event  # type: ignore[assignment,misc]
    torch.accelerator.synchronize = _synchronize


_libraries: list[torch.library.Library] = []
"""Kept: what a library registers goes with it."""
_register()
