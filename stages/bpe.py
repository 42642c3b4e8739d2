"""Learn the byte-pair vocabulary from the training documents."""

from pathlib import Path

from gpt1.files import publish
from gpt1.params import BPE
from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.documents import count_document_words
from stages import entry, state, tracking


def main(documents: Path, out: Path) -> None:
    """Write `vocab.json` and `merges.txt`."""
    params = entry.section(BPE, "bpe")
    with (
        tracking.run() as run,
        state.folder("bpe", params, documents, state.TOKENS) as scratch,
        publish(out) as folder,
    ):
        run.params(params)
        counts = count_document_words(documents, scratch)
        tokenizer = BPETokenizer.train_from_counts(counts, params.merges)
        folder.mkdir()
        tokenizer.save(folder)
        run.metrics({"symbols": len(tokenizer)})


if __name__ == "__main__":
    entry.run(main)
