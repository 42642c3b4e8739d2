"""A long training continues under other conditions, knowingly: GPT1_RESUME.

Conditions are what people change in the middle of a training, although it changes the bits of the
result: code, threads, micro-batch, precision, learning rate, epochs. Its metrics say what changed
at which update; law 2 in docs/architecture.md has this as the one exception.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from gpt1.environment import Environment
from gpt1.errors import UserError
from gpt1.files import publish, read_json
from gpt1.params import Model
from gpt1.training import distributed
from stages import state

CONDITIONS = ("epochs", "learning_rate", "micro_batch", "precision", "threads", "compile")
Changes = dict[str, dict[str, list[Any]]]
"""Number of updates -> name of a condition -> its old and its new value."""


def split(params: Model) -> tuple[dict[str, Any], dict[str, Any]]:
    """The recipe that a state belongs to, and the conditions that people may change.

    Another recipe begins anew. What is looked at on the way, checkpoints and held-out text, is in
    neither.
    """
    free = {*CONDITIONS, "checkpoints", "validate_every"}
    recipe = {n: v for n, v in vars(params).items() if n not in free}
    conditions = {name: getattr(params, name) for name in CONDITIONS}
    return recipe, conditions | {"code": state.fingerprint({}, *state.TRAINING)}


def changes(folder: Path, stage: str, done: int, conditions: dict[str, Any]) -> Changes:
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
        what = f"{stage}: {', '.join(told)} changed since the state of {done} updates was saved"
        if conditions != last and not Environment.read().resume:
            raise UserError(
                f"{what}; put it back, set GPT1_RESUME=changed to continue knowingly, or remove "
                f"{folder} to begin anew (docs/training.md)"
            )
        if distributed.rank() == 0:
            print(f"warning: {what}; it continues, and its metrics say so", file=sys.stderr)
        history[str(done)] = changed
    if distributed.rank() == 0:
        with publish(file, durable=True) as beside:
            beside.write_text(json.dumps({"conditions": conditions, "changes": history}))
    return dict(history)


def concluded(changes: Changes, rows: pd.DataFrame) -> Changes:
    """`changes`, and the updates that were left out of the curve `rows`.

    Where there are any, the result is no function of deps and params: DVC's run cache must not have
    it, and the driver is told. Plain DVC takes no such word: docs/training.md.
    """
    for update in rows.loc[rows["loss"].isna(), "update"]:
        changes.setdefault(str(update - 1), {})["left_out"] = [False, True]
    if changes and (mark := Environment.read().continued):
        Path(mark).touch()
    return changes
