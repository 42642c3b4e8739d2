"""A profile of some updates of a training, where GPT1_PROFILE names a folder for it."""

import sys
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from gpt1.environment import Environment
from gpt1.errors import UserError, one_line
from gpt1.files import publish

WAIT, WARMUP, ACTIVE = 5, 2, 3
"""Updates that are left out (they compile and allocate), that start the profiler, and of which the
trace is. An update of the paper's is tens of thousands of kernels."""


class Profile:
    """Profiles the updates of a `with` block, which calls `step` after each; `wanted`: or none.

    Writes `TITLE-FIRST-LAST.json` into the folder once those updates are done, whole or not at
    all: a training that stops before writes nothing. The result of the training is the same.
    Raises UserError when the folder cannot be made. A trace that cannot be written costs a line.
    """

    def __init__(self, title: str, done: int, device: torch.device, *, wanted: bool) -> None:
        folder = Environment.read().profile
        self._title = title
        self._profile: profile | None = None
        if not (wanted and folder):
            return
        self._folder = Path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:  # a name too long, a folder of the kernel's
            raise UserError(f"GPT1_PROFILE={folder}: {one_line(error)}") from None
        self._updates = range(done + WAIT + WARMUP + 1, done + WAIT + WARMUP + ACTIVE + 1)
        kernels = [ProfilerActivity.CUDA] if device.type == "cuda" else []
        self._profile = profile(
            activities=[ProfilerActivity.CPU, *kernels],
            schedule=schedule(wait=WAIT, warmup=WARMUP, active=ACTIVE, repeat=1),
        )

    def __enter__(self) -> "Profile":
        if self._profile:
            self._profile.start()
        return self

    def step(self) -> None:
        """Count one more update."""
        if not self._profile:
            return
        self._profile.step()
        if self._profile.step_num == WAIT + WARMUP + ACTIVE:
            self._write(self._profile)
            self._end()

    def __exit__(self, *_: object) -> None:
        if self._profile:
            missing = f"it ended before update {self._updates[-1]} was done"
            print(f"warning: {self._title}: no profile, for {missing}", file=sys.stderr)
            self._end()

    def _end(self) -> None:
        assert self._profile
        self._profile.stop()
        self._profile = None

    def _write(self, recorded: profile) -> None:
        first, last = self._updates[0], self._updates[-1]
        file = self._folder / f"{self._title.replace(' ', '-')}-{first}-{last}.json"
        try:
            with publish(file) as beside:
                recorded.export_chrome_trace(str(beside))
                if not beside.exists():  # it raises nothing
                    raise OSError("see PyTorch's message above")
        except OSError as error:
            print(
                f"warning: {self._title}: {file}: cannot write the profile ({one_line(error)}); "
                "training goes on",
                file=sys.stderr,
            )
            return
        print(
            f"{self._title}: {file} has the profile of updates {first} to {last}; open it at "
            "https://ui.perfetto.dev or in chrome://tracing",
            file=sys.stderr,
        )
