"""`trigram`: the held-out loss of a trigram model, which a language model must beat."""

from pathlib import Path

from gpt1.analysis.trigram import TRAINED_ON, trigram_loss
from gpt1.files import write_json
from gpt1.tokens.shards import ShardReader
from gpt1.tokens.vocabulary import read_vocabulary
from stages import entry


def main(shards: Path, bpe: Path, metrics: Path) -> None:
    """Count the first `TRAINED_ON` tokens of the training books, and score the held-out ones."""
    vocabulary = read_vocabulary(bpe)
    train = ShardReader(shards, "train").documents(TRAINED_ON)
    valid = ShardReader(shards, "valid").documents()
    write_json(metrics, {"loss": trigram_loss(train, valid, len(vocabulary.symbols))})


if __name__ == "__main__":
    entry.run(main)
