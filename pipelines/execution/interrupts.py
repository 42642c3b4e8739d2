"""What SIGINT (Ctrl-C) and SIGTERM do while stages run."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pipelines.execution.executor import Executor


@contextmanager
def handle_interrupts(executor: Executor) -> Iterator[None]:
    """The first signal cancels all stages with their grace periods, the second kills them.

    A training saves its state within its grace period (`gpt1.training.loop`), and `gpt1 run` exits
    with 130. Python allows handlers in the main thread alone; in others the block has none.
    """
    received: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        executor.cancel(at_once=len(received) > 1)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
