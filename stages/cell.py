"""What the fine-tune stages share: a model on a task with one seed, a cell of the comparison."""

import sys
from collections.abc import Callable
from pathlib import Path

import torch

from gpt1.device import device, hardware
from gpt1.files import publish, sha256
from gpt1.model.language_model import LanguageModel
from gpt1.params import Finetune
from gpt1.tasks import metrics, mistakes, table
from gpt1.tasks.finetuning import FineTuning, finetune
from gpt1.tasks.model import TaskModel
from gpt1.tasks.predictions import majority_answer, read_predictions, write_predictions
from gpt1.tasks.table import Task
from gpt1.tasks.tokenized import read_tokens
from gpt1.tokens.tokenizer import load_tokenizer
from gpt1.training.determinism import use_deterministic
from stages import state, tracking
from stages.tracking import comparison
from stages.tracking.curve import Recorder


def run(
    recipe: Finetune,
    name: str,
    seed: int,
    load: Callable[[Path], LanguageModel],
    out: Path | None = None,
    /,
    *,
    task: Path,
    tokens: Path,
    model: Path,
    predictions: Path,
    curve: Path,
) -> Task:
    """Fine-tune the network that `load` returns for `model`; predictions record it as `name`.

    The model is saved in `out` if that is given. Returns the task.
    """
    cell = f"{task.stem}-{name}-{seed}"
    torch.set_num_threads(recipe.threads)
    use_deterministic(recipe.deterministic)
    described, examples = table.read_task(task)
    train = [example for example in examples if example.split == "train"]
    rest = [example for example in examples if example.split != "train"]
    torch.manual_seed(seed)  # for what is not pretrained: layers, embedding rows, the head
    network, tokenizer = load(model), load_tokenizer(model)
    ids = read_tokens(tokens, task, tokenizer.digest)
    tuned = TaskModel.from_pretrained(network, described, tokenizer, recipe.dropout).to(device())
    with (
        tracking.run() as record,
        state.folder(f"finetune@{cell}", recipe, task, tokens, model, *state.FINETUNING) as folder,
    ):
        names = {"task": described.name, "model": name, "seed": seed}
        record.params(names)
        record.tags(names | hardware(device()))
        record.params(recipe)
        inputs, others = map(tuned.arrange, (train, rest), ids)
        for part, encoded in (("train", inputs), ("held_out", others)):
            record.metrics({f"{part}/truncated": encoded.truncated})
            if encoded.truncation_summary:
                print(f"{part}: {encoded.truncation_summary}", file=sys.stderr)
        rows = finetune(
            tuned,
            inputs,
            recipe,
            seed=seed,
            state=folder / "state",
            title=f"finetune {cell}",
            callbacks=[Recorder(record, [*FineTuning.losses, "rate", "gradient_norm"])],
        )
        with publish(curve) as beside:
            rows.to_csv(beside, index=False)
        write_predictions(
            predictions,
            described,
            rest,
            tuned.scores(others),
            model=name,
            seed=seed,
            majority_answer=majority_answer(described, train),
            sha256=sha256(task),
        )
        answered = read_predictions(predictions)
        summary_params, summary_metrics = comparison.summary(metrics.evaluate(answered))
        record.params(summary_params)
        record.metrics(summary_metrics)
        for path in mistakes.write_tables(answered, rest, folder):
            record.artifact(path)
        if out:
            with publish(out) as beside:
                beside.mkdir()
                tuned.save(beside)
            record.model(out)
    return described
