"""What SIGINT (Ctrl-C), SIGTERM and SIGHUP (a lost connection) do while stages run."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pipelines.execution.executor import Executor


@contextmanager
def handle_interrupts(executor: Executor) -> Iterator[None]:
    """The first signal cancels all stages with their grace periods, a second SIGINT kills them.

    A training saves its state within its grace period (`gpt1.training.loop`), and `gpt1 run` exits
    with 130. A second SIGTERM or SIGHUP kills nothing: schedulers, `timeout`, a terminal and the
    shell in it send one each. Where SIGHUP was ignored at the start, as `nohup` does, it stays
    ignored. Python allows handlers in the main thread alone; in others the block has none.
    """
    received: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        executor.cancel(at_once=number == signal.SIGINT and received.count(number) > 1)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, *endings())}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def endings() -> list[signal.Signals]:
    """The signals that ask a process to end: SIGTERM, and SIGHUP unless it is ignored."""
    heard = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGHUP] if heard else [signal.SIGTERM]
