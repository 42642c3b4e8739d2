"""A model that others trained, as one of `models/`."""

from pathlib import Path

from gpt1.model.importing import import_model
from gpt1.params import Imported
from stages import entry, tracking


def main(model: str, source: Path, out: Path) -> None:
    """Import a directory of `transformers` or the weights released with the paper."""
    params = entry.section(Imported, f"imported.{model}")
    with tracking.run() as run:
        run.params(params)
        import_model(source, out)


if __name__ == "__main__":
    entry.run(main)
