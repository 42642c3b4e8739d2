"""`finetune@TASK-MODEL-SEED`: one model on one task, and its predictions."""

import sys
import tempfile
from pathlib import Path

import pandas as pd
import torch

from gpt1.files import publish
from gpt1.params import Finetune
from gpt1.tasks import predictions as answers
from gpt1.tasks import table
from gpt1.tasks.finetuning import finetune
from gpt1.tasks.model import TaskModel
from stages import entry, tracking


def main(*, task: Path, model: Path, seed: int, out: Path, predictions: Path, curve: Path) -> None:
    """Fine-tune `model` on `task`; write it, its curve, and its predictions on the other splits."""
    recipe = entry.section(Finetune, f"finetune.{task.stem}")
    torch.set_num_threads(recipe.threads)
    described, examples = table.read(task)
    train = [example for example in examples if example.split == "train"]
    rest = [example for example in examples if example.split != "train"]
    torch.manual_seed(seed)  # of the new embedding rows and the head
    tuned = TaskModel.from_pretrained(model, described, recipe.dropout)
    with tracking.run() as run, tempfile.TemporaryDirectory() as work:
        run.params(recipe)
        run.params({"task": described.name, "model": model.name, "seed": seed})
        inputs = tuned.encode(train)
        state = Path(work) / "state.safetensors"
        title = f"{task.stem} {model.name} {seed}"
        rows = finetune(tuned, inputs, recipe, seed=seed, state=state, title=title)
        for row in rows:
            run.metrics({"loss": row["loss"]}, step=int(row["update"]))
        held_out = tuned.encode(rest)
        report_truncation(train=inputs.truncated, held_out=held_out.truncated)
        scores = dict(tuned.scores(held_out))
    with publish(out) as beside:
        beside.mkdir()
        tuned.save(beside)
    with publish(curve) as beside:
        pd.DataFrame(rows).to_csv(beside, index=False)
    answers.write(
        predictions,
        described,
        rest,
        [scores[place] for place in range(len(rest))],
        model=model.name,
        seed=seed,
        usual=answers.usual(described, train),
    )


def report_truncation(**counts: int) -> None:
    for part, count in counts.items():
        if count:
            print(f"{part}: {count} examples were cut to fit the context", file=sys.stderr)


if __name__ == "__main__":
    entry.run(main)
