"""Signals that ask a training to stop: it saves its state and exits with RESUME_CODE.

Schedulers repeat themselves: Slurm sends SIGTERM to every process of a step, `torchrun` forwards
its own, `gpt1 run` sends one to a whole session. So SIGTERM may come any number of times and never
ends a process that saves its state. A second SIGINT (Ctrl-C) does, for a person in a hurry.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

RESUME_CODE = 75
"""The exit code of a run that was told to stop and saved its state; started again, it resumes.

EX_TEMPFAIL of sysexits.h. A scheduler starts again what ended with this code, and nothing else."""


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Handle SIGTERM and SIGINT; yield a function that tells whether one has arrived.

    Where the block exits because of it, SIGTERM is ignored from then on. Where the block ends as if
    there were none, the signal is sent again, to whoever handled it before. Python allows handlers
    in the main thread alone; in others the block has none.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second one ends at once

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    ended = False
    try:
        yield lambda: bool(received)
        ended = True
    finally:
        if received and not ended:
            before[signal.SIGTERM] = signal.SIG_IGN
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])


def exit_on_signals() -> None:
    """Make SIGTERM and SIGINT exit with RESUME_CODE from now on, outside `stop_requests`.

    For what comes before and after the loop of a training: loading, and scoring held-out text. The
    state on disk is the last one of the loop.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it would end the exit
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        sys.exit(RESUME_CODE)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
