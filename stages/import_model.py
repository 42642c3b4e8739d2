"""`import@NAME`: make `models/NAME` from weights that others trained."""

from pathlib import Path

from gpt1.files import publish, write_json
from gpt1.model.importing import import_model
from gpt1.model.loading import load_model
from gpt1.model.source_file import model_files
from gpt1.params import Imported
from gpt1.tokens.tokenizer import load_tokenizer
from stages import entry, tracking
from stages.checkpoints import save_checkpoints


def main(
    *, model: str, source: Path, out: Path, vocabulary: Path, checkpoints: Path, metrics: Path
) -> None:
    """Import a directory of `transformers`, or the weights released with the paper.

    The metrics have the keys that downstream stages read from those of a pretraining: 0 updates.
    """
    params = entry.section(Imported, f"imported.{model}")
    with tracking.run() as run:
        run.params(params)
        with model_files(source) as folder:
            import_model(folder, out)
        with publish(vocabulary) as beside:  # what needs it alone does not depend on the weights
            beside.mkdir()
            load_tokenizer(out).save(beside)
        save_checkpoints(checkpoints, None)  # none came with it
    parameters = sum(weight.numel() for weight in load_model(out).parameters())
    write_json(metrics, {"parameters": parameters, "updates": 0})


if __name__ == "__main__":
    entry.run(main)
