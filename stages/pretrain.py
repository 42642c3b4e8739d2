"""A language model trained on the shards, and its loss curve."""

import shutil
from pathlib import Path

from gpt1.device import device
from gpt1.files import publish, write_json
from gpt1.model.perplexity import held_out
from gpt1.params import Model
from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.shards import ShardReader
from gpt1.training import distributed
from gpt1.training.cost import training_operations
from gpt1.training.pretraining import pretrain, thinned
from stages import entry, tracking, work


def main(*, model: str, shards: Path, bpe: Path, out: Path, curve: Path, metrics: Path) -> None:
    """Train the model that the section `models.MODEL` describes."""
    distributed.launch("stages.pretrain")
    params = entry.section(Model, f"models.{model}")
    tokenizer, place = BPETokenizer.load(bpe), device()
    with (
        distributed.joined(),
        tracking.run() as run,
        work.folder(f"pretrain@{model}", params, shards, bpe, *work.TRAINING) as folder,
    ):
        run.params(params)
        trained, rows = pretrain(
            params,
            ShardReader(shards, "train", params.books),
            vocab=len(tokenizer),
            device=place,
            folder=folder,
            title=f"pretrain {model}",
            after=lambda update, row: run.metrics({"loss": row["loss"]}, step=update),
            record=lambda update, speed: run.metrics(
                {f"speed/{name}": value for name, value in speed.items()}, step=update
            ),
        )
        distributed.others_end()
        valid = held_out(
            trained,
            (ids for _, ids in ShardReader(shards, "valid").documents()),
            ends_word=tokenizer.ends_word(),
            batch=params.micro_batch,
        )
        scores = {
            "loss": valid.loss,
            "perplexity": valid.perplexity,
            "perplexity_per_word": valid.perplexity_per_word,
            "tokens": valid.tokens,
            "words": valid.words,
        }
        summary = {
            "parameters": sum(parameter.numel() for parameter in trained.parameters()),
            "updates": len(rows),
            "operations": len(rows)
            * params.batch
            * params.context
            * training_operations(trained.config),
            "train": {"loss": thinned(rows, 10)["loss"].iloc[-1]} if len(rows) else {},
            "valid": scores,
        }
        with publish(out) as beside:
            trained.save(beside)
            tokenizer.save(beside)
            if (folder / "checkpoints").exists():
                shutil.copytree(folder / "checkpoints", beside / "checkpoints")
        with publish(curve) as beside:
            thinned(rows).to_csv(beside, index=False)
        write_json(metrics, summary)
        run.metrics({f"valid/{name}": value for name, value in scores.items()})
        run.artifact(curve)


if __name__ == "__main__":
    entry.run(main)
