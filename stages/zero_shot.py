"""`zero_shot@TASK-MODEL`: scores of a language model without fine-tuning, over its pretraining."""

from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from gpt1.analysis.zero_shot.task import ZeroShotTask
from gpt1.device import device
from gpt1.files import publish, write_json
from gpt1.model.loading import load_model
from gpt1.params import ZeroShot
from gpt1.tasks import table
from gpt1.tokens.tokenizer import load_tokenizer
from stages import entry, tracking
from stages.checkpoints import read_checkpoints


def main(
    *, task: Path, model: Path, checkpoints: Path, pretraining: Path, curve: Path, metrics: Path
) -> None:
    """Score every checkpoint of `model`, and the model itself, on `task`."""
    torch.set_num_threads(entry.section(ZeroShot, "zero_shot").threads)
    described, examples = table.read_task(task)
    probe = ZeroShotTask(described, examples, load_tokenizer(model))
    rows, place = [], device()
    with tracking.run() as run:
        run.params({"task": task.stem, "model": model.name, "split": probe.split})
        readings = [*read_checkpoints(checkpoints, model, pretraining)]
        for update, directory in tqdm(readings, unit="checkpoint"):
            scores = probe.score(load_model(directory).to(place))
            normalised = probe.normalised(scores["score"])
            rows.append({"update": update, "normalised": normalised, **scores})
            run.metrics(scores, step=update)
    with publish(curve) as beside:
        pd.DataFrame(rows).to_csv(beside, index=False)
    write_json(metrics, probe.describe() | rows[-1])


if __name__ == "__main__":
    entry.run(main)
