"""A long training continues under other conditions, knowingly: GPT1_RESUME.

Conditions are what people change in the middle of a training, although it changes the bits of the
result: code, threads, micro-batch, precision, kernels, learning rate, epochs. What is looked at on
the way, held-out text and checkpoints, may change unasked. The metrics say what changed at which
update; law 2 in docs/architecture.md has this as the one exception.
"""

import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from gpt1.environment import Environment
from gpt1.errors import UserError, one_line
from gpt1.files import publish, read_json
from gpt1.params import Model
from gpt1.training import distributed
from gpt1.training.pretraining import STATE
from gpt1.training.state import saved
from stages import state

CONDITIONS = (
    "epochs",
    "learning_rate",
    "micro_batch",
    "precision",
    "threads",
    "compile",
    "deterministic",
)
UNASKED = "validate_every"
Changes = dict[str, dict[str, list[Any]]]
"""Number of updates done -> name of a condition -> its old and its new value.

An update that is left out has its number in the curve, which counts from 1."""


def split(params: Model) -> tuple[dict[str, Any], dict[str, Any]]:
    """The recipe that a state belongs to, and the conditions that people may change.

    Another recipe begins anew. The list of checkpoints is in neither (`concluded`).
    """
    free = (*CONDITIONS, UNASKED)
    recipe = {n: v for n, v in vars(params).items() if n not in (*free, "checkpoints")}
    conditions = {name: getattr(params, name) for name in free}
    return recipe, conditions | {"code": state.fingerprint({}, *state.TRAINING)}


def states(stage: str) -> list[Path]:
    """The files of its states: others after each progress."""
    folders = sorted((state.FOLDER / stage).glob(f"*/{STATE}"))
    return [file for folder in folders for file in saved(folder)]


def changes(folder: Path, done: int, conditions: dict[str, Any]) -> Changes:
    """What changed of `conditions` while the state in `folder` came to its `done` updates.

    Keeps them in the folder, beside the state. Raises UserError where some differ from those that
    the state was saved under, unless GPT1_RESUME says to continue, or said so at the last start.
    """
    file = folder / "conditions.json"
    known = read_json(file) if done and file.is_file() else {}
    last, history = known.get("conditions", conditions), known.get("changes", {})
    before = dict(last)  # those of the state: no later start brought a new one
    for update in sorted(history, key=int, reverse=True):
        if int(update) >= done:
            before |= {name: old for name, (old, _) in history.pop(update).items()}
    changed = {n: [before.get(n), v] for n, v in conditions.items() if before.get(n) != v}
    if changed:
        told = [n if n == "code" else f"{n}: {old} -> {v}" for n, (old, v) in changed.items()]
        what = f"{', '.join(told)} changed since the state of {done} updates was saved"
        what = f"{folder.parent.name}: {what}"
        refused = [n for n in changed if n != UNASKED and conditions[n] != last.get(n)]
        if refused and not Environment.read().resume:
            raise UserError(
                f"{what}; put it back, set GPT1_RESUME=changed to continue knowingly, or remove "
                f"{folder} to begin anew (docs/training.md)"
            )
        if distributed.rank() == 0:
            print(f"warning: {what}; it continues, and its metrics say so", file=sys.stderr)
        history[str(done)] = changed
    if distributed.rank() == 0:
        try:
            with publish(file, durable=True) as beside:
                beside.write_text(json.dumps({"conditions": conditions, "changes": history}))
        except OSError as error:
            raise UserError(f"{file}: cannot be written ({one_line(error)}); free space") from None
    return dict(history)


def concluded(
    changes: Changes, rows: pd.DataFrame, listed: Collection[int], checkpoints: Path
) -> dict[str, Changes]:
    """For the metrics: `changes`, updates left out of the curve `rows`, and missing checkpoints.

    A checkpoint is missing when it was listed after training had passed it.
    Where there are any, the result is no function of deps and params: DVC's run cache must not have
    it, and the driver is told. Plain DVC takes no such word: docs/training.md.
    """
    for update in rows.loc[rows["loss"].isna(), "update"]:
        changes.setdefault(str(update), {})["left_out"] = [False, True]
    for update in listed:
        if not (checkpoints / f"{update:07d}").is_dir():
            changes.setdefault(str(update), {})["no_checkpoint"] = [False, True]
    if changes and (mark := Environment.read().continued):
        Path(mark).touch()
    return {"changes": changes} if changes else {}
