import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.documents import count_document_words, encode_documents
from gpt1.workers import map_to_files, ordered_map
from tests.gpt1.corpus.test_clean_corpus import PARAMS, clean, prose, raw


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A real scheduler and two real worker processes, on loopback."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def test_results_keep_the_order_of_the_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT1_WORKERS", "2")
    assert list(ordered_map(abs, range(-50, 50), 0)) == [abs(n) for n in range(-50, 50)]


def test_items_are_taken_only_as_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT1_WORKERS", "2")
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = ordered_map(abs, items(), 0)
    next(results)
    assert len(taken) <= 6
    results.close()


def log(item: str, out: Path) -> None:
    with (out.parent.parent / "log").open("a") as file:
        file.write(item)
    out.write_text(item.upper())


def test_files_that_exist_are_not_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    work = map_to_files(log, "abcdef", folder, 0)
    assert next(work).read_text() == "A"
    work.close()  # as much as a kill leaves
    (folder / ".0000001.99.part").write_text("half")
    assert [file.read_text() for file in map_to_files(log, "abcdef", folder, 0)] == list("ABCDEF")
    assert (tmp_path / "log").read_text() == "abcdef"


def test_an_error_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT1_WORKERS", "2")
    with pytest.raises(ValueError, match="invalid literal"):
        list(ordered_map(int, ["1", "x", "2"], 0))


@pytest.mark.slow
def test_one_worker_two_or_dask_write_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheduler: str
) -> None:
    books = {f"b{n}": prose(n % 5, 900) + f"\n{n}" for n in range(7)}
    folder = raw(tmp_path, books)
    for name, settings in {
        "one": {"GPT1_WORKERS": "1"},
        "two": {"GPT1_WORKERS": "2"},
        "dask": {"GPT1_DASK": scheduler},
    }.items():
        with monkeypatch.context() as context:
            for key, value in settings.items():
                context.setenv(key, value)
            out = tmp_path / name
            clean(folder, out, PARAMS)
            work = tmp_path / f"{name}.work"
            counts = count_document_words(out / "train.parquet", work)
            tokenizer = BPETokenizer.train_from_counts(counts, 50)
            tokenizer.save(out)
            encode_documents(out / "train.parquet", out, out, "shards", work)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert {"train.parquet", "merges.txt", "shards-00000.parquet"} <= set(names)
    for name in names:
        contents = {(tmp_path / run / name).read_bytes() for run in ("one", "two", "dask")}
        assert len(contents) == 1, name


@pytest.mark.slow
def test_memory_stays_flat_when_the_work_is_ten_times_as_large(tmp_path: Path) -> None:
    script = """
import resource, sys
from gpt1.workers import map_to_files, ordered_map
def items(n):
    for _ in range(n):
        yield "x" * 1_000_000
for n in map(len, ordered_map(str.upper, items(int(sys.argv[1])), 0)): pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", f"if __name__ == '__main__':\n    exec({script!r})", n],
                env={"GPT1_WORKERS": "2", "PATH": ""},
                cwd=Path(__file__).parents[2],
                capture_output=True,
                check=True,
            ).stdout
        )
        for n in ("10", "100")
    ]
    assert peaks[1] < 1.2 * peaks[0]
