"""Many processes, one model: each takes its share of an update's micro-batches.

`torchrun`, PyTorch's elastic launcher, starts them on one machine or on many; GPT1_NPROC asks for
it on this one. Every process holds the whole model, and their gradients are added up once an
update. All of this does nothing in a process that runs alone.
"""

import logging
import os
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

from gpt1.environment import Environment
from gpt1.errors import UserError

RESUME_CODE = 75
"""The exit code of a run that saved its state when told to stop; started again, it goes on."""
RESTARTS = 3
STOP_SECONDS = 60


def launch(module: str) -> None:
    """Start `python -m module` GPT1_NPROC times with this process's arguments, and exit as they do.

    When one of them is killed, all begin again from the last state, three times at most; one that
    ends with an error would do so again. Returns at once in a process that is one of several
    already, or that is to run alone.
    """
    count = Environment.read().nproc
    if count == 1 or "WORLD_SIZE" in os.environ:
        return
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        shutdown_timeout=STOP_SECONDS,
    )
    code = 1
    for _ in range(1 + RESTARTS):
        try:
            elastic_launch(config, sys.executable)("-m", module, *sys.argv[1:])
            sys.exit(0)
        except SignalException:
            sys.exit(RESUME_CODE)
        except ChildFailedError as failed:
            rank, failure = failed.get_first_failure()
            if (code := failure.exitcode) > 0:
                break
            print(f"process {rank} was killed; all go on from the last state", file=sys.stderr)
    sys.exit(code if code > 0 else 1)


@contextmanager
def joined() -> Iterator[None]:
    """Be one of the processes that `torchrun` started, where it did."""
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group()
    try:
        yield
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def rank() -> int:
    """Which one of the processes this is; the first one writes what there is to write."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """How many there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def others_end() -> None:
    """Only the first process goes on from here."""
    if rank():
        sys.exit(0)


def add_up(tensors: Iterable[Tensor]) -> None:
    """Replace each tensor by its sum over all processes, the same bits in each of them."""
    if not dist.is_initialized():
        return
    with _together():
        for work in [dist.all_reduce(tensor, async_op=True) for tensor in tensors]:
            work.wait()


def anyone(asked: bool) -> bool:
    """Whether any process says so; every one of them must ask."""
    return bool(_largest(float(asked)))


def agree(number: int, message: str) -> None:
    """Raises UserError with `message` unless every process has the same number."""
    if _largest(number) != -_largest(-number):
        raise UserError(message)


def _largest(number: float) -> float:
    if not dist.is_initialized():
        return number
    found = torch.tensor(number, dtype=torch.float64)
    with _together():
        dist.all_reduce(found, dist.ReduceOp.MAX)
    return found.item()


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # the connection to another one broke
        raise UserError(f"another training process ended ({str(error).splitlines()[0]})") from None
