"""`pretrain@NAME`: train a language model on the shards."""

import math
import os
from pathlib import Path

from gpt1.device import device, hardware
from gpt1.environment import Environment
from gpt1.files import publish, write_json
from gpt1.model.language_model import LanguageModel
from gpt1.model.perplexity import Perplexity, measure_perplexity
from gpt1.params import Model
from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.shards import ShardReader
from gpt1.training import disk, distributed
from gpt1.training.cost import training_operations
from gpt1.training.determinism import use_deterministic
from gpt1.training.pretraining import STATE, checkpoint_updates, downsample, pretrain
from gpt1.training.state import updates_done
from gpt1.training.stopping import exit_on_signals
from stages import continuing, entry, state, tracking
from stages.checkpoints import save_checkpoints
from stages.tracking.curve import Recorder

HELD_OUT_TOKENS = 1 << 16
"""Of whole documents, of which the loss is measured on the way: the first ones of the shards."""


def main(
    *,
    model: str,
    shards: Path,
    bpe: Path,
    out: Path,
    checkpoints: Path,
    curve: Path,
    metrics: Path,
) -> None:
    """Write the model that `models.MODEL` describes, its checkpoints, curve and metrics."""
    distributed.launch(f"{__package__}.pretrain", lambda: continuing.states(f"pretrain@{model}"))
    exit_on_signals()
    params = entry.section(Model, f"models.{model}")
    use_deterministic(params.deterministic)
    tokenizer, place = BPETokenizer.load(bpe), device()
    recipe, conditions = continuing.split(params)
    with (
        distributed.process_group(),
        tracking.run() as run,
        state.folder(f"pretrain@{model}", recipe, shards, bpe) as folder,
    ):
        run.params(params)
        run.tags(hardware(place))
        if distributed.rank() == 0:
            disk.warn_if_short(params, len(tokenizer), f"pretrain {model}", folder=folder, out=out)
        changes = continuing.changes(folder, updates_done(folder / STATE), conditions)
        train, valid = ShardReader(shards, "train", params.books), ShardReader(shards, "valid")
        ends_word = tokenizer.ends_word()

        def held_out(network: LanguageModel, tokens: float = HELD_OUT_TOKENS) -> Perplexity:
            texts, batch = valid.documents(tokens), params.micro_batch
            return measure_perplexity(network, texts, ends_word=ends_word, batch=batch)

        trained, rows = pretrain(
            params,
            train,
            vocab=len(tokenizer),
            device=place,
            folder=folder,
            title=f"pretrain {model}",
            held_out=lambda network: held_out(network).loss,
            callbacks=[Recorder(run, ["loss", "rate", "gradient_norm"], digits=3)],
            skip=Environment.read().resume == "skip",
        )
        distributed.exit_nonzero_ranks()
        scores = held_out(trained, math.inf).summary()
        tokens = len(rows) * params.batch * params.context
        summary = {
            "parameters": sum(parameter.numel() for parameter in trained.parameters()),
            "updates": len(rows),
            "operations": tokens * training_operations(trained.config),
            "train": {"loss": downsample(rows, 10)["loss"].iloc[-1]} if len(rows) else {},
            "valid": scores,
        }
        listed = [each for each in checkpoint_updates(params, train) if each < len(rows)]
        summary |= continuing.concluded(changes, rows, listed, folder / "checkpoints")
        with publish(out) as beside:
            trained.save(beside)
            tokenizer.save(beside)
        save_checkpoints(checkpoints, folder / "checkpoints", listed)
        with publish(curve) as beside:
            downsample(rows).to_csv(beside, index=False)
        write_json(metrics, summary)
        run.metrics({f"valid/{name}": value for name, value in scores.items()})
        run.artifact(curve)
        os.sync()  # all is on the disk before the state goes


if __name__ == "__main__":
    entry.run(main)
