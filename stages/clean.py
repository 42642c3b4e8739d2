"""Documents, cleaned and split by book."""

from pathlib import Path

from gpt1.corpus.clean import clean
from gpt1.files import publish
from gpt1.params import Clean
from stages import entry, tracking


def main(raw: Path, out: Path) -> None:
    """Write `train.parquet` and `valid.parquet`, what was dropped and removed, the data card."""
    params = entry.section(Clean, "clean")
    with tracking.run() as run, publish(out) as folder:
        run.params(params)
        card = clean(raw, folder, params)
        run.metrics(dict(card.metrics()))
        run.artifact(folder / "card.md")


if __name__ == "__main__":
    entry.run(main)
