"""Documents, cleaned and split by book."""

from collections import Counter
from pathlib import Path

from gpt1.corpus.clean import clean
from gpt1.files import digest, publish, write_json
from gpt1.params import Clean
from stages import entry, state, tracking


def main(raw: Path, out: Path, metrics: Path) -> None:
    """Write `train.parquet` and `valid.parquet`, what was dropped and removed, the data card."""
    params = entry.section(Clean, "clean")
    with (
        tracking.run() as run,
        state.folder("clean", params, raw, state.CORPUS, state.TOKENS) as pieces,
        publish(out) as folder,
    ):
        run.params(params)
        card = clean(raw, folder, params, pieces)
        run.metrics(dict(card.metrics()))
        run.artifact(folder / "card.md")
        summary = {
            "steps": card.steps,
            "dropped": dict(Counter(row["reason"] for row in card.drops)),
            "sha256": {name: digest(folder / f"{name}.parquet") for name in ("train", "valid")},
        }
        write_json(metrics, summary)


if __name__ == "__main__":
    entry.run(main)
