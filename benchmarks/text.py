"""Megabytes a second of encoding and of BPE training, each against the plain way.

    GPT1_REAL_DATA=FOLDER python benchmarks/text.py     # novels and the released vocabulary
    python benchmarks/text.py                           # the King James Bible, a vocabulary of it

The plain way to encode is that of the released code: a loop over texts and tokens with a cache of
words. It is the transcription that the tests compare ours with; both must give equal ids. The first
text is encoded once before measuring, so that the libraries are loaded. `cold` is a new tokenizer,
`warm` one that has seen the texts.
"""

import os
import sys
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/gpt1/tokens")]

from reference import Reference  # noqa: E402

from gpt1.corpus.sources import read_books  # noqa: E402
from gpt1.machine import cores  # noqa: E402
from gpt1.tokens.bpe import BPETokenizer, count_words  # noqa: E402
from gpt1.workers import ordered_map  # noqa: E402

SIZE = int(os.environ.get("SIZE", "12_000_000"))
"""Bytes of text."""
MERGES = 10_000


def main() -> None:
    """Print both sides and the ratio of each comparison."""
    texts = _texts()
    size = sum(len(text.encode()) for text in texts) / 1e6
    load = f"load {os.getloadavg()[0]:.1f} on {cores()} cores"
    print(f"{len(texts)} texts, {size:.1f} MB; {load}")
    tokenizer = _tokenizer(texts)
    _chain(texts, size, tokenizer)
    _workers(texts, size, tokenizer)
    _training(texts)


def _chain(texts: list[str], size: float, tokenizer: BPETokenizer) -> None:
    BPETokenizer(tokenizer.vocab, tokenizer.merges).encode(texts[0])
    reference = Reference(tokenizer.vocab, tokenizer.merges)
    reference.encode(texts[0][:1000])
    times = {"released": 0.0, "cold": 0.0, "warm": 0.0}
    equal = True
    for text in texts:  # interleaved, because the speed of the machine drifts
        start = time.perf_counter()
        expected = reference.encode(text)
        between = time.perf_counter()
        ids = tokenizer.encode(text)
        end = time.perf_counter()
        tokenizer.encode_arrays([text])
        times["warm"] += time.perf_counter() - end
        times["released"] += between - start
        times["cold"] += end - between
        equal &= ids == expected
    print(f"full chain, one core, ids {'equal' if equal else 'DIFFER'}")
    for name, seconds in times.items():
        ratio = times["released"] / seconds
        print(f"  {name:10} {size / seconds:7.2f} MB/s   {ratio:6.1f}x the released way")


def _workers(texts: list[str], size: float, tokenizer: BPETokenizer) -> None:
    times = {}
    for workers in ("1", "2"):
        os.environ["GPT1_WORKERS"] = workers
        encode = partial(_encode, vocabulary=(tokenizer.vocab, tokenizer.merges))
        work = ordered_map(encode, [texts[0][:1000]] * 2 + texts, 0)
        counts = [next(work) for _ in range(2)]  # the processes have started
        start = time.perf_counter()
        counts += list(work)
        times[workers] = time.perf_counter() - start
    print("full chain, cold, by processes")
    for workers, seconds in times.items():
        print(f"  {workers} worker{'s' * (workers > '1'):10} {size / seconds:7.2f} MB/s")
    print(f"  two are {times['1'] / times['2']:.2f}x one")


_known: list[BPETokenizer] = []


def _encode(text: str, vocabulary: tuple[dict[str, int], list[tuple[str, str]]]) -> int:
    if not _known:
        _known.append(BPETokenizer(*vocabulary))
    return len(_known[0].encode_arrays([text])[0])


def _training(texts: list[str]) -> None:
    """Both get the same word counts. The library numbers characters differently in every run."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    counts = count_words(texts)
    start = time.perf_counter()
    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=MERGES, end_of_word_suffix="</w>", show_progress=False)
    plain.train_from_iterator((f"{word} " * times for word, times in counts.items()), trainer)
    between = time.perf_counter()
    BPETokenizer.train_from_counts(counts, MERGES)
    ours = time.perf_counter() - between
    library = between - start
    print(f"training {MERGES} merges on {counts.total()} words, {len(counts)} of them different")
    print(f"  library {library:6.2f} s   ours {ours:6.2f} s   {ours / library:.2f}x")


def _texts() -> list[str]:
    if data := os.environ.get("GPT1_REAL_DATA"):
        books = (
            path.read_bytes().decode("utf-8-sig")
            for path in sorted(Path(data).glob("books*/*.txt"))
        )
    else:
        books = (book.text for book in read_books(ROOT / "corpora/king_james.yaml"))
    texts, size = [], 0
    for book in books:
        if size < SIZE:
            texts.append(book)
            size += len(book.encode())
    return texts


def _tokenizer(texts: list[str]) -> BPETokenizer:
    if data := os.environ.get("GPT1_REAL_DATA"):
        return BPETokenizer.load(Path(data) / "openai-bpe")
    trained = BPETokenizer.train(texts, 2000)
    return BPETokenizer(trained.vocab, trained.merges)


if __name__ == "__main__":
    main()
