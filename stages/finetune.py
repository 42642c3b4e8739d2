"""`finetune@TASK-MODEL-SEED`: one model on one task, and its predictions."""

import sys
from collections.abc import Callable
from pathlib import Path

import torch

from gpt1.device import device
from gpt1.files import publish, sha256
from gpt1.model.language_model import LanguageModel
from gpt1.model.loading import load_model
from gpt1.params import Finetune
from gpt1.tasks import metrics, mistakes, table
from gpt1.tasks import predictions as answers
from gpt1.tasks.finetuning import FineTuning, finetune
from gpt1.tasks.model import TaskModel
from gpt1.tokens.bpe import BPETokenizer
from stages import comparison, entry, state, tracking
from stages.recorder import Recorder


def main(*, task: Path, model: Path, seed: int, out: Path, predictions: Path, curve: Path) -> None:
    """Fine-tune `model` on `task`; write it, its curve, and its predictions on the other splits."""
    recipe = entry.section(Finetune, f"finetune.{task.stem}")
    paths = {"task": task, "model": model, "out": out, "predictions": predictions, "curve": curve}
    run(recipe, model.name, seed, load_model, **paths)


def run(
    recipe: Finetune,
    name: str,
    seed: int,
    load: Callable[[Path], LanguageModel],
    /,
    *,
    task: Path,
    model: Path,
    out: Path,
    predictions: Path,
    curve: Path,
) -> None:
    """The same with `recipe`, from what `load` makes of `model`; predictions call it `name`."""
    torch.set_num_threads(recipe.threads)
    described, examples = table.read(task)
    train = [example for example in examples if example.split == "train"]
    rest = [example for example in examples if example.split != "train"]
    torch.manual_seed(seed)  # of whatever is new: layers, embedding rows, the head
    network, tokenizer = load(model), BPETokenizer.load(model)
    tuned = TaskModel.from_pretrained(network, described, tokenizer, recipe.dropout).to(device())
    with (
        tracking.run() as record,
        state.folder(f"finetune@{out.name}", recipe, task, model, *state.FINETUNING) as folder,
    ):
        names = {"task": described.name, "model": name, "seed": seed}
        record.params(names)
        record.tags(names)
        record.params(recipe)
        inputs, held_out = tuned.encode(train), tuned.encode(rest)
        for part, encoded in (("train", inputs), ("held_out", held_out)):
            record.metrics({f"{part}/truncated": encoded.truncated})
            if encoded.cuts:
                print(f"{part}: {encoded.cuts}", file=sys.stderr)
        rows = finetune(
            tuned,
            inputs,
            recipe,
            seed=seed,
            state=folder / "state.safetensors",
            title=f"finetune {out.name}",
            callbacks=[Recorder(record, [*FineTuning.losses, "rate", "gradient_norm"])],
        )
        scores = dict(tuned.scores(held_out))
        with publish(out) as beside:
            beside.mkdir()
            tuned.save(beside)
        with publish(curve) as beside:
            rows.to_csv(beside, index=False)
        answers.write(
            predictions,
            described,
            rest,
            [scores[place] for place in range(len(rest))],
            model=name,
            seed=seed,
            usual=answers.usual(described, train),
            sha256=sha256(task),
        )
        answered = answers.read(predictions)
        comparison.record(record, metrics.evaluate(answered))
        for table_name, content in mistakes.tables(answered, rest).items():
            path = folder / f"{table_name}.json"
            content.to_json(path, orient="split", index=False, force_ascii=False)
            record.artifact(path)
        record.model(out)


if __name__ == "__main__":
    entry.run(main)
