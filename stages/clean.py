"""Clean the books, remove duplicates, and split them into training and validation documents."""

from collections import Counter
from pathlib import Path

from gpt1.corpus.clean_corpus import clean_corpus
from gpt1.files import publish, sha256, write_json
from gpt1.params import Clean
from stages import entry, state, tracking


def main(raw: Path, out: Path, metrics: Path) -> None:
    """Write `train.parquet`, `valid.parquet`, what was dropped and removed, and the data card."""
    params = entry.section(Clean, "clean")
    with (
        tracking.run() as run,
        state.folder("clean", params, raw, state.CORPUS, state.TOKENS) as scratch,
        publish(out) as folder,
    ):
        run.params(params)
        card = clean_corpus(raw, folder, params, scratch)
        run.metrics(dict(card.metrics()))
        run.artifact(folder / "card.md")
        summary = {
            "steps": card.steps,
            "dropped": dict(Counter(row["reason"] for row in card.drops)),
            "sha256": {name: sha256(folder / f"{name}.parquet") for name in ("train", "valid")},
        }
        write_json(metrics, summary)


if __name__ == "__main__":
    entry.run(main)
