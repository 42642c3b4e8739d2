"""Tokens a second and peak memory of pretraining on a CPU, against other code (sides.py).

    python benchmarks/pretraining.py [paper | novels | demo | claims] [bf16 | fp32]

Both cores; the batch is the same for all sides. The speed of the machine drifts, so the sides are
interleaved step by step, with the rate of a matrix product measured between them: compare the
ratios alone. Peak memory is that of the second update, in a separate process for each side. The
default precision is bf16 where the processor has it, else fp32.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from sides import Step, training_step

from gpt1.model.transformer import GPTConfig
from gpt1.training.cost import EMULATED, PRECISIONS, emulation, product_rate, training_operations

SIZES = {
    "paper": (GPTConfig(vocab=40_478, layers=12, width=768, heads=12, context=512, dropout=0.1), 4),
    "novels": (GPTConfig(vocab=8_100, layers=6, width=256, heads=4, context=256, dropout=0.1), 16),
    "demo": (GPTConfig(vocab=2_100, layers=4, width=128, heads=4, context=128, dropout=0.1), 8),
    "claims": (GPTConfig(vocab=4_100, layers=3, width=64, heads=2, context=128, dropout=0.1), 8),
}
SIDES = ("transformers", "nanogpt", "gpt1")
ROUNDS = {"paper": 4, "novels": 8, "demo": 40, "claims": 60}
THREADS = 2
CPU = torch.device("cpu")


def main(size: str, precision: str) -> None:
    config, batch = SIZES[size]
    dtype, tokens = PRECISIONS[precision], batch * config.context
    steps = {side: step_of(side, size, precision) for side in SIDES}
    for step in steps.values():
        step()  # compiles
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    peaks = [product_rate(CPU, dtype, seconds=1)]
    for round_ in range(ROUNDS[size]):
        for side, step in steps.items():
            peaks.append(product_rate(CPU, dtype))
            start = time.perf_counter()
            step()
            seconds[side].append(time.perf_counter() - start)
        if size in {"paper", "novels"}:
            taken = ", ".join(f"{side} {seconds[side][-1]:.2f} s" for side in SIDES)
            print(f"round {round_ + 1} of {ROUNDS[size]}: {taken}", flush=True)
    steps.clear()
    rate = statistics.median(peaks)
    floor = training_operations(config) * tokens / rate
    print(f"\n{size}, {precision}, {batch} x {config.context} tokens a step; the product ran at")
    print(f"{rate / 1e9:.0f} GFLOP/s ({min(peaks) / 1e9:.0f} to {max(peaks) / 1e9:.0f}): ", end="")
    print(f"no step could take less than {floor:.3f} s\n")
    print("| side | s a step | tokens/s | ratio | of the product's rate | peak MB | ratio |")
    print("|---|---|---|---|---|---|---|")
    base = 0.0
    for side in SIDES:
        paired = [a / b for a, b in zip(seconds[SIDES[0]], seconds[side], strict=True)]
        middle = statistics.median(seconds[side])
        memory = memory_of(side, size, precision)
        base = base or memory
        print(
            f"| {side} | {middle:.3f} | {tokens / middle:.0f} "
            f"| {statistics.median(paired):.2f} | {floor / middle:.2f} "
            f"| {memory:.0f} | {memory / base:.2f} |",
            flush=True,
        )


def step_of(side: str, size: str, precision: str) -> Step:
    torch.set_num_threads(THREADS)
    return training_step(side, *SIZES[size], precision, CPU)


def memory_of(side: str, size: str, precision: str) -> float:
    """Peak resident megabytes of an update, in a process of its own."""
    command = [sys.executable, __file__, size, precision, side]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    size, precision, side = [*sys.argv[1:], *["paper", "", ""][len(sys.argv) - 1 :]]
    precision = precision or ("bf16" if emulation(CPU, PRECISIONS["bf16"]) <= EMULATED else "fp32")
    if side:
        step = step_of(side, size, precision)
        step()  # allocates AdamW's moments and frees what start-up needed
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        step()
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmHWM:")[1].split()[0]) / 1000)
    else:
        main(size, precision)
