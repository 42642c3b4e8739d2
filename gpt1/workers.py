"""The same function over many items, by several processes, with results in the order of the items.

How many work, and where, never changes a result: `GPT1_WORKERS` counts local processes, and
`GPT1_DASK` names a Dask scheduler whose workers are used instead.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from gpt1.environment import Environment
from gpt1.files import publish
from gpt1.machine import cores

T = TypeVar("T")
R = TypeVar("R")
SMALL = 20_000_000
"""Bytes of work below which starting processes costs more than it saves."""


def ordered(function: Callable[[T], R], items: Iterable[T], size: int) -> Iterator[R]:
    """`map(function, items)`; `size` is the work's size in bytes.

    At most two items a worker are under way, so that memory does not grow with the work.
    """
    places = Environment.read()
    workers = places.workers or cores()
    if not places.dask and (workers == 1 or (size < SMALL and not places.workers)):
        yield from map(function, items)
        return
    with _executor(places.dask, workers) as (executor, width):
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(executor.submit(function, item))
                if len(waiting) > 2 * width:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def pieces(
    function: Callable[[T, Path], None], items: Iterable[T], folder: Path, size: int
) -> Iterator[Path]:
    """The files that `function(item, file)` writes into `folder`, for each item, in their order.

    What stands there already was made before a kill and is not made again: a run loses no more
    than the pieces under way. Dask workers must see the same disk.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    numbered = ((item, folder / f"{number:07d}") for number, item in enumerate(items))
    return ordered(partial(_piece, function), numbered, size)


def _piece(function: Callable[[T, Path], None], numbered: tuple[T, Path]) -> Path:
    item, file = numbered
    if not file.exists():
        with publish(file) as beside:
            function(item, beside)
    return file


@contextmanager
def _executor(scheduler: str, workers: int) -> Iterator[tuple[Executor, int]]:
    if not scheduler:
        with ProcessPoolExecutor(workers, get_context("forkserver")) as pool:
            yield pool, workers
        return
    from distributed import Client

    with Client(scheduler, set_as_default=False) as client:
        yield client.get_executor(pure=False), max(sum(client.ncores().values()), 1)
