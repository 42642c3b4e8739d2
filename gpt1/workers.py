"""Parallel map over many items, with results in the order of the items.

`GPT1_WORKERS` sets the number of local processes; `GPT1_DASK` is the address of a Dask scheduler
whose workers are used instead. Neither changes a result.
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
"""Below this many bytes of input, starting processes costs more than it saves."""


def ordered_map(function: Callable[[T], R], items: Iterable[T], size: int) -> Iterator[R]:
    """`map(function, items)` in parallel.

    size: bytes of all items together; small inputs are mapped in this process.
    At most two items for each worker are in flight, so memory does not grow with their number.
    """
    environment = Environment.read()
    workers = environment.workers or cores()
    if not environment.dask and (workers == 1 or (size < SMALL and not environment.workers)):
        yield from map(function, items)
        return
    with _executor(environment.dask, workers) as (executor, width):
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


def map_to_files(
    function: Callable[[T, Path], None], items: Iterable[T], folder: Path, size: int
) -> Iterator[Path]:
    """Call `function(item, file)` for each item in parallel; yield the files in order.

    The files are `folder/0000000` and on, each written atomically. Files that exist already, from a
    run that was killed, are not made again: a kill loses only the items in flight. Dask workers
    must see the same disk.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    numbered = ((item, folder / f"{number:07d}") for number, item in enumerate(items))
    return ordered_map(partial(_make_file, function), numbered, size)


def _make_file(function: Callable[[T, Path], None], numbered: tuple[T, Path]) -> Path:
    item, file = numbered
    if not file.exists():
        with publish(file) as temporary:
            function(item, temporary)
    return file


@contextmanager
def _executor(scheduler: str, workers: int) -> Iterator[tuple[Executor, int]]:
    """Yield an executor and the number of its workers."""
    if not scheduler:
        with ProcessPoolExecutor(workers, get_context("forkserver")) as pool:
            yield pool, workers
        return
    from distributed import Client

    with Client(scheduler, set_as_default=False) as client:
        yield client.get_executor(pure=False), max(sum(client.ncores().values()), 1)
