"""Data parallelism: each process holds the whole model and computes some of the micro-batches.

`torchrun`, PyTorch's elastic launcher, starts the processes, on one machine or on many; GPT1_NPROC
starts them on this machine. Their gradients are summed once an update. In a single process, all
functions here do nothing.
"""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Self

import psutil
import torch
import torch.distributed as dist
from torch import Tensor, nn

from gpt1.environment import Environment
from gpt1.errors import UserError
from gpt1.training.stopping import RESUME_CODE

RESTARTS = 3
"""Without a new state in between."""
STOP_SECONDS = 300
"""As `grace` of the stage in `dvc.yaml`: a micro-batch on a busy CPU, and writing the state."""


def launch(module: str, progress: Callable[[], object]) -> None:
    """Start `python -m module` GPT1_NPROC times with our arguments, then exit with its code.

    When a process is killed, all restart from the last state, RESTARTS times at most while the
    value of `progress` stays the same: a month has more than three faults. When one fails with an
    error, all end, for it would fail again. Returns at once when GPT1_NPROC is 1, and in a process
    that a launcher started.

    The first SIGTERM, SIGINT or SIGHUP goes to all processes, which save their state; where they
    did, the code is RESUME_CODE. Others are ignored, but for a second SIGINT, which kills them.
    """
    count = Environment.read().nproc
    if count == 1 or "WORLD_SIZE" in os.environ:
        return
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    received: list[int] = []
    told: set[int] = set()

    def forward(number: int) -> None:
        for process in psutil.Process().children():
            if process.pid not in told or number == signal.SIGKILL:
                told.add(process.pid)
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if received.count(signal.SIGINT) > 1:
            forward(signal.SIGKILL)
        elif len(received) == 1:
            to_all = signal.SIGINT if number == signal.SIGINT else signal.SIGTERM
            # Again and again, for processes that do not exist yet.
            signal.signal(signal.SIGALRM, lambda *_: forward(to_all))
            signal.setitimer(signal.ITIMER_REAL, 0.01, 0.5)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handle)
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
        signals_to_handle="SIGQUIT",  # at a second signal PyTorch would leave the processes alone
    )
    try:
        vain, reached = 0, progress()
        while vain <= RESTARTS:
            try:
                elastic_launch(config, sys.executable)("-m", module, *sys.argv[1:])
                sys.exit(0)
            except ChildFailedError as failed:
                codes = [each.exitcode for each in failed.failures.values()]
                # SIGTERM is the agent's, to those that are left after an error, or early and ours.
                killed = [
                    each
                    for each in failed.failures.values()
                    if each.exitcode < 0 and each.exitcode != -signal.SIGTERM
                ]
                if received.count(signal.SIGINT) > 1:
                    sys.exit(128 + signal.SIGINT)
                if received or not killed:
                    errors = (code for code in codes if code > 0 and code != RESUME_CODE)
                    sys.exit(next(errors, RESUME_CODE))
                before, reached = reached, progress()
                vain = 0 if reached != before else vain + 1
                what = (
                    "all restart from the last state"
                    if vain <= RESTARTS
                    else f"they end, for {RESTARTS} restarts brought no new state"
                )
                name = signal.Signals(-killed[0].exitcode).name
                print(
                    f"process {killed[0].local_rank} was killed ({name}); {what}", file=sys.stderr
                )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if received:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # at its end Python takes the default
    sys.exit(1)


@contextmanager
def process_group() -> Iterator[None]:
    """Join the default process group when `torchrun` started this process, and leave it after."""
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group()
    try:
        yield
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def rank() -> int:
    """The number of this process, from 0; rank 0 writes all files."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def exit_nonzero_ranks() -> None:
    """Exit with code 0, except in the process of rank 0."""
    if rank():
        sys.exit(0)


class GradientSum:
    """Replaces the gradients by their sums over all processes: the same bits in each of them.

    A sum starts as soon as the backward pass has the gradient, and goes on beside it, as in
    PyTorch's DistributedDataParallel. That one rearranges its buckets after the first update, so
    that a resumed run would end in other bits, and it has all processes compute as many
    micro-batches. Here sums start in one order, whatever a process computes.
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters = [each for each in model.parameters() if each.requires_grad][::-1]
        self._works: list[dist.Work] = []
        self._started, self._open = 0, False

    def __enter__(self) -> Self:
        """Watch the backward passes until the end of the block."""
        hook = self._on_gradient
        known = self._parameters if dist.is_initialized() else []
        self._hooks = [each.register_post_accumulate_grad_hook(hook) for each in known]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def begin(self) -> None:
        """The next backward pass is the last one of this process in this update."""
        self._open, self._ready = True, set[Tensor]()

    def finish(self) -> None:
        """Start those that did not start, and wait for all.

        Raises UserError when the connection to a process breaks.
        """
        if not dist.is_initialized():
            return
        with connection_errors():
            for parameter in self._parameters[self._started :]:
                if parameter.grad is not None:
                    self._start(parameter)
            for work in self._works:
                work.wait()  # of an accelerator: its stream waits, not this process
        self._works.clear()
        self._started, self._open = 0, False

    def _on_gradient(self, parameter: Tensor) -> None:
        if not self._open:
            return
        self._ready.add(parameter)
        for each in self._parameters[self._started :]:
            if each not in self._ready:
                break
            self._start(each)
            self._started += 1

    def _start(self, parameter: Tensor) -> None:
        work = dist.all_reduce(parameter.grad, async_op=True)
        assert work is not None
        self._works.append(work)


def all_reduce(tensor: Tensor) -> None:
    """Replace a tensor by its sum over all processes, as `GradientSum` does."""
    if dist.is_initialized():
        with connection_errors():
            dist.all_reduce(tensor)


def barrier() -> None:
    """Wait for all processes."""
    _max(0.0)


def greatest(number: int) -> int:
    """The greatest number of all processes; every process must call this, and waits here."""
    return int(_max(number))


def require_equal(number: int, message: str) -> None:
    """Raises UserError with `message` unless `number` is the same in every process."""
    if _max(number) != -_max(-number):
        raise UserError(message)


def _max(number: float) -> float:
    if not dist.is_initialized():
        return number
    maximum = torch.tensor(number, dtype=torch.float64)
    with connection_errors():
        dist.all_reduce(maximum, dist.ReduceOp.MAX)
    return maximum.item()


@contextmanager
def connection_errors() -> Iterator[None]:
    """Turn the errors of a broken connection into a UserError; leave others as they are."""
    try:
        yield
    except RuntimeError as error:
        said = " ".join(str(error).split())
        if not isinstance(error, dist.DistError) and "gloo" not in said:
            raise  # such as a kernel that failed before: the device reports it here
        raise UserError(
            f"the connection of the training processes broke ({said[:400]}); where one of them "
            "ended with an error, that is the cause"
        ) from None
