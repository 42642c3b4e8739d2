"""What a language model knows of a task as its pretraining goes on."""

from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from gpt1.analysis.zero_shot.heuristics import ZeroShotTask
from gpt1.device import device
from gpt1.files import publish, write_json
from gpt1.model import files
from gpt1.params import ZeroShot
from gpt1.tasks import table
from gpt1.tokens.bpe import BPETokenizer
from stages import entry, tracking
from stages.checkpoints import checkpoints


def main(*, task: Path, model: Path, pretraining: Path, curve: Path, metrics: Path) -> None:
    """Answer `task` with every checkpoint of `model` and with the model itself."""
    torch.set_num_threads(entry.section(ZeroShot, "zero_shot").threads)
    described, examples = table.read(task)
    asked = ZeroShotTask(described, examples, BPETokenizer.load(model))
    rows, place = [], device()
    with tracking.run() as run:
        run.params({"task": task.stem, "model": model.name, "split": asked.split})
        for update, directory in tqdm(list(checkpoints(model, pretraining)), unit="checkpoint"):
            score = asked.score(files.load(directory).to(place))
            rows.append({"update": update, "score": score, "normalised": asked.normalised(score)})
            run.metrics({"score": score}, step=update)
    with publish(curve) as beside:
        pd.DataFrame(rows).to_csv(beside, index=False)
    write_json(metrics, asked.describe() | rows[-1])


if __name__ == "__main__":
    entry.run(main)
