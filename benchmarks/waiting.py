"""Updates a second of a small training by how OpenMP's threads wait for each other.

    python benchmarks/waiting.py [SECONDS a turn, 4] [ROUNDS, 3]

Each side is a process of its own, for libgomp reads its environment once. They take turns: alone,
beside one busy process, and beside three.
"""

import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack

SIDES: dict[str, tuple[int, dict[str, str]]] = {
    "2 threads, as libgomp does": (2, {}),
    "2 threads, GOMP_SPINCOUNT=2500": (2, {"GOMP_SPINCOUNT": "2500"}),
    "2 threads, GOMP_SPINCOUNT=10000": (2, {"GOMP_SPINCOUNT": "10000"}),
    "2 threads, GOMP_SPINCOUNT=1000": (2, {"GOMP_SPINCOUNT": "1000"}),
    "2 threads, passive": (2, {"OMP_WAIT_POLICY": "passive"}),
    "1 thread": (1, {}),
}
BUSY = (0, 1, 3)


def main(seconds: float, rounds: int) -> None:
    rates: dict[str, dict[int, list[float]]] = {side: {b: [] for b in BUSY} for side in SIDES}
    with ExitStack() as stack:
        trainings = {side: stack.enter_context(start(*SIDES[side])) for side in SIDES}
        for _ in range(rounds):
            for busy in BUSY:
                with ExitStack() as others:
                    for _ in range(busy):
                        loop = [sys.executable, "-c", "while True: pass"]
                        others.callback(others.enter_context(subprocess.Popen(loop)).kill)
                    for side, training in trainings.items():
                        rates[side][busy].append(turn(training, seconds))
        for training in trainings.values():
            training.kill()
    print(f"{'updates a second, median':36}" + "".join(f"{b} busy".rjust(10) for b in BUSY))
    for side in SIDES:
        medians = (statistics.median(rates[side][busy]) for busy in BUSY)
        print(f"{side:36}" + "".join(f"{rate:10.1f}" for rate in medians), flush=True)


def start(threads: int, environment: dict[str, str]) -> "subprocess.Popen[str]":
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    return subprocess.Popen(
        [sys.executable, __file__, "train", str(threads)],
        env=inherited | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def turn(training: "subprocess.Popen[str]", seconds: float) -> float:
    """Let a training go on for some seconds; returns its updates a second."""
    assert training.stdin
    assert training.stdout
    training.stdin.write(f"{seconds}\n")
    training.stdin.flush()
    return float(training.stdout.readline())


def train(threads: int) -> None:
    """The demo's model on random tokens: for each line of the input, for so many seconds."""
    import torch

    from gpt1.model.transformer import GPT, GPTConfig
    from gpt1.training.optimizer import adamw

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    config = GPTConfig(vocab=2_100, layers=4, width=128, heads=4, context=128, dropout=0.1)
    model = GPT(config).train()
    optimizer = adamw(model, weight_decay=0.01)
    tokens = torch.randint(config.vocab, (8, config.context + 1))
    for line in sys.stdin:
        start, updates = time.perf_counter(), 0
        while time.perf_counter() - start < float(line):
            model.loss(model.states(tokens[:, :-1]), tokens[:, 1:]).backward()
            optimizer.step()
            optimizer.zero_grad()
            updates += 1
        print(updates / (time.perf_counter() - start), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        train(int(sys.argv[2]))
    else:
        main(float((sys.argv[1:] or ["4"])[0]), int((sys.argv[2:] or ["3"])[0]))
