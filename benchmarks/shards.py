"""Tokens a second of the shard reader, against a NumPy memory map of the same ids.

    python benchmarks/shards.py [MILLIONS OF TOKENS ...]     # default: 20 and 200

Both read the same training batches: 64 windows of 512 + 1 tokens as int64, in random order. Memory
is anonymous memory alone: the system can take mapped pages back.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from gpt1.tokens.shards import ShardReader, ShardWriter  # noqa: E402

CONTEXT, BATCH, BATCHES = 512, 64, 600
BOOK = 150_000
"""Tokens in a book."""


def main() -> None:
    """Print both sides for each size."""
    for millions in map(int, sys.argv[1:] or ["20", "200"]):
        pid = os.fork()  # each size has a peak of its own
        if not pid:
            _compare(millions)
            os._exit(0)
        os.waitpid(pid, 0)


def _compare(millions: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(1)
        with ShardWriter(Path(folder), "train") as shards:
            for book in range(millions * 1_000_000 // BOOK):
                shards.write(
                    f"b{book:06d}", random.integers(40_000, size=BOOK, dtype=np.uint16), 0, 0
                )
        start = time.perf_counter()
        reader = ShardReader(folder, "train")
        opened = time.perf_counter() - start
        plain = Path(folder) / "plain.bin"
        with plain.open("wb") as file:
            for _, ids in reader.documents():
                file.write(ids.astype(np.uint16).tobytes())
        mapped = np.memmap(plain, np.uint16, "r")
        windows = reader.windows(CONTEXT, seed=1, epoch=0)
        windows.batch([0])
        order = random.permutation(len(mapped) // CONTEXT - 1)
        ours = theirs = 0.0
        for step in range(BATCHES):  # interleaved, because the speed of the machine drifts
            chosen = np.arange(step * BATCH, (step + 1) * BATCH) % len(windows)
            start = time.perf_counter()
            windows.batch(chosen)
            between = time.perf_counter()
            np.stack(
                [
                    mapped[first : first + CONTEXT + 1].astype(np.int64)
                    for first in order[chosen % len(order)] * CONTEXT
                ]
            )
            theirs += time.perf_counter() - between
            ours += between - start
        tokens = BATCHES * BATCH * CONTEXT / 1e6
        print(
            f"{millions} million tokens: reader {tokens / ours:.0f} million tokens/s, memory map "
            f"{tokens / theirs:.0f}, {theirs / ours:.2f}x; opened in {opened:.2f} s; own memory "
            f"{_own_memory():.0f} MB; load {os.getloadavg()[0]:.1f}"
        )


def _own_memory() -> float:
    """Megabytes of anonymous memory of this process."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1000


if __name__ == "__main__":
    main()
