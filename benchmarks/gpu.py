"""What one GPU does with this code: is it right, and how fast? About eight minutes.

    make gpu                          # the first accelerator; GPT1_DEVICE chooses another
    python benchmarks/gpu.py small    # a toy, on any device, to see that all runs

It compares losses with the CPU's, stops and resumes a training, and measures pretraining at the
paper's size for some micro-batches, beside the code of others (sides.py), step by step in turns;
then the training loop, scoring and generation. It ends with a table and a line of JSON, which you
can send. A side whose memory does not suffice is left out.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from sides import SIDES, Step, training_step
from torch import Tensor, nn
from transformers import OpenAIGPTLMHeadModel

from gpt1.device import device, hardware, send
from gpt1.model.sampling import generate
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.training.callback import Callback, Row
from gpt1.training.compilation import compile_parts
from gpt1.training.cost import Precision, peak, training_operations
from gpt1.training.determinism import use_deterministic
from gpt1.training.loop import Optimization, fit
from gpt1.training.memory import is_out_of_memory
from gpt1.training.objective import Objective

PAPER = GPTConfig(vocab=40_478, layers=12, width=768, heads=12, context=512, dropout=0.1)
TOY = GPTConfig(vocab=500, layers=2, width=32, heads=2, context=32, dropout=0.1)
MICRO_BATCHES, BATCH = (64, 16, 4), 64
SECONDS = 20.0
"""For each size of micro-batch, over all sides; compiling comes on top."""
PRECISION: Precision = "bf16"
Found = dict[str, float]


def main(config: GPTConfig, seconds: float) -> None:
    use_deterministic(True)  # cuBLAS reads its workspaces once, before the first product
    place = device()
    found: Found = {}
    ceiling = peak(place, PRECISION)
    print(json.dumps(hardware(place)))
    found |= agreement(replace(config, layers=2, dropout=0.0), place)
    for deterministic in (False, True):
        use_deterministic(deterministic)
        name = "resumed to the same bits" + (", deterministic" if deterministic else "")
        found[name] = resumes(replace(config, layers=2), place)
    use_deterministic(False)
    print_table(found)
    operations = training_operations(config)
    for micro_batch in MICRO_BATCHES:
        chosen = SIDES if micro_batch == MICRO_BATCHES[0] else SIDES[-1:]
        rates = pretraining(config, micro_batch, chosen, place, seconds)
        for side, rate in rates.items():
            found[f"tokens/s, {side}, micro-batch {micro_batch}"] = rate
            share = f"of the {'published' if ceiling.published else 'measured'} peak"
            found[f"{share}, {side}, micro-batch {micro_batch}"] = rate * operations / ceiling.rate
        print_table({n: v for n, v in found.items() if n.endswith(f"micro-batch {micro_batch}")})
    found |= loop(config, place, seconds)
    found |= inference(config, place, seconds)
    print("\n# All\n")
    print_table(found)
    print(json.dumps({"hardware": hardware(place), "found": found}))


def print_table(found: Found) -> None:
    print("\n| what | value |\n|---|---|")
    for name, value in found.items():
        print(f"| {name} | {value:,.4g} |" if value < 100 else f"| {name} | {value:,.0f} |")
    sys.stdout.flush()


def agreement(config: GPTConfig, place: torch.device) -> Found:
    """Largest differences from the CPU in fp32, of a loss and of the gradients, which are scaled.

    Products on an NVIDIA card are those of TF32: 1e-3 is what they allow.
    """
    torch.manual_seed(0)
    model = GPT(config)
    windows = torch.randint(config.vocab, (4, config.context + 1))

    def run(precision: str) -> tuple[float, Tensor]:
        kind = next(model.parameters()).device
        model.zero_grad()
        there = windows.to(kind)
        with torch.autocast(kind.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = model.loss(model.states(there[:, :-1]), there[:, 1:])
        loss.backward()
        gradients = [
            each.grad.flatten().cpu() for each in model.parameters() if each.grad is not None
        ]
        return loss.item(), torch.cat(gradients)

    loss, gradient = run("fp32")
    model.to(place)
    found = {}
    for precision in ("fp32", "bf16"):
        other, slope = run(precision)
        found[f"loss, {precision} against the CPU's fp32"] = abs(other - loss)
        scale = gradient.norm().item()
        found[f"gradient, {precision}, relative"] = (slope - gradient).norm().item() / scale
    return found


class Windows(Objective[Tensor]):
    """Random tokens, the same in each epoch of three updates; from the host, as shards are."""

    def __init__(self, model: GPT, updates: int, batch: int, parts: int, stop_at: int = -1) -> None:
        self.model, self.updates, self._parts, self._stop_at = model, updates, parts, stop_at
        config = model.config
        drawn = torch.Generator().manual_seed(0)
        self._windows = torch.randint(config.vocab, (3, batch, config.context + 1), generator=drawn)

    def micro_batches(self, update: int) -> tuple[Tensor, ...]:
        if update == self._stop_at:
            raise KeyboardInterrupt
        return self._windows[update % 3].chunk(self._parts)

    def loss(self, windows: Tensor) -> dict[str, Tensor]:
        windows = send(windows, self.model.tokens.weight.device)
        mean = self.model.loss(self.model.states(windows[:, :-1]), windows[:, 1:])
        return {"loss": mean / self._parts}


OPTIMIZATION = Optimization(
    learning_rate=lambda update: 2.5e-4, weight_decay=0.01, clip=1.0, precision=PRECISION, seed=1
)


def resumes(config: GPTConfig, place: torch.device) -> float:
    """1 where a training that was stopped ends in the bits of one that was not."""

    def new() -> GPT:
        torch.manual_seed(0)
        return GPT(config).to(place)

    with tempfile.TemporaryDirectory() as folder:
        whole, stopped, resumed = new(), new(), new()
        fit(Windows(whole, 6, 8, 2), OPTIMIZATION, state=Path(folder, "whole"), title="whole")
        state = Path(folder, "state")
        with suppress(KeyboardInterrupt):
            objective = Windows(stopped, 6, 8, 2, stop_at=3)
            fit(objective, OPTIMIZATION, state=state, title="stopped", save_seconds=0.0)
        fit(Windows(resumed, 6, 8, 2), OPTIMIZATION, state=state, title="resumed")
    same = map(torch.equal, whole.parameters(), resumed.parameters())
    return float(all(same))


def pretraining(
    config: GPTConfig,
    micro_batch: int,
    chosen: tuple[str, ...],
    place: torch.device,
    seconds: float,
) -> Found:
    """Tokens a second of each side, an update of one micro-batch; medians of interleaved steps."""
    steps: dict[str, Step] = {}
    for side in chosen:
        with suppress(torch.OutOfMemoryError):
            step = training_step(side, config, micro_batch, PRECISION, place)
            step(), step()  # compiles, and allocates the moments
            steps[side] = step
    taken: dict[str, list[float]] = {side: [] for side in steps}
    end = time.perf_counter() + seconds
    while steps and (time.perf_counter() < end or min(map(len, taken.values())) < 3):
        for side in [*steps]:
            try:
                taken[side].append(timed(steps[side]))
            except torch.OutOfMemoryError:
                del steps[side], taken[side]
    steps.clear()
    if place.type == "cuda":
        torch.cuda.empty_cache()
    tokens = micro_batch * config.context
    return {side: tokens / statistics.median(each) for side, each in taken.items()}


def timed(step: Callable[[], object]) -> float:
    wait()
    start = time.perf_counter()
    step()
    wait()
    return time.perf_counter() - start


def wait() -> None:
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


class Clock(Callback):
    """The time of each update."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_update(self, updates: int, row: Row) -> None:
        self.times.append(time.perf_counter())


def loop(config: GPTConfig, place: torch.device, seconds: float) -> Found:
    """Tokens a second of the whole training loop, compiled, with the paper's batch."""
    for parts in (1, 4, 16):
        torch.manual_seed(0)
        model, clock = GPT(config).to(place), Clock()
        compile_parts(model)
        try:
            timed_step = training_step("gpt1", config, 4, PRECISION, place)
            updates = int(min(100, max(8, seconds / (BATCH / 4 * timed(timed_step)))))
            with tempfile.TemporaryDirectory() as folder:
                objective = Windows(model, updates, BATCH, parts)
                fit(objective, OPTIMIZATION, state=Path(folder), title="loop", callbacks=[clock])
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            continue
        third = len(clock.times) // 3
        taken = (clock.times[-1] - clock.times[third]) / (len(clock.times) - 1 - third)
        return {
            f"tokens/s, training loop, micro-batch {BATCH // parts}": BATCH * config.context / taken
        }
    return {}


@torch.inference_mode()
def inference(config: GPTConfig, place: torch.device, seconds: float) -> Found:
    """Tokens a second that are scored in fp32 (TF32 on an NVIDIA card) and generated."""
    torch.manual_seed(0)
    ours = GPT(config).to(place).eval()
    with tempfile.TemporaryDirectory() as folder:
        ours.save(Path(folder))
        theirs: nn.Module = OpenAIGPTLMHeadModel.from_pretrained(folder).to(place).eval()
    tokens = torch.randint(config.vocab, (16, config.context), device=place)
    scored: dict[str, list[float]] = {"transformers": [], "gpt1": []}
    end = time.perf_counter() + seconds / 2
    while time.perf_counter() < end or len(scored["gpt1"]) < 3:
        scored["transformers"].append(timed(lambda: theirs(tokens, labels=tokens).loss))
        states = lambda: ours.loss(ours.states(tokens[:, :-1]), tokens[:, 1:])  # noqa: E731
        scored["gpt1"].append(timed(states))
    found = {
        f"tokens/s scored, {side}": tokens.numel() / statistics.median(each)
        for side, each in scored.items()
    }
    count = config.context // 2
    for batch in (1, 16):
        prompt = tokens[:batch, :8]
        taken = timed(lambda: [*generate(ours, prompt, count)])  # noqa: B023
        found[f"tokens/s generated, batch {batch}"] = batch * count / taken
    return found


if __name__ == "__main__":
    if sys.argv[1:] == ["small"]:
        main(TOY, seconds=0.5)
    else:
        main(PAPER, SECONDS)
