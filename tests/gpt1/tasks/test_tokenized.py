"""From a task's table to the ids that a fine-tune reads."""

from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt1.errors import UserError
from gpt1.params import Shape
from gpt1.tasks import tokenized
from gpt1.tasks.inputs import SpecialTokens, arrange
from gpt1.tasks.table import Example, Task, write_task
from gpt1.tasks.tokenized import read_tokens, tokenize_task
from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.vocabulary import read_vocabulary
from tests.gpt1.tokens.reference import Reference

TEXT = "The lord said, let us go up; and the people don't go up with Mr. Lord :-) <b>&amp;</b>\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two vocabularies."""
    folder = tmp_path_factory.mktemp("vocabularies")
    for name, merges in (("bpe", 20), ("other", 5)):
        (folder / name).mkdir()
        BPETokenizer.train([TEXT], merges).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def reference(folder: Path) -> Reference:
    vocabulary = read_vocabulary(folder / "bpe")
    return Reference(vocabulary.symbols, vocabulary.merges)


def digest(vocabulary: Path) -> str:
    return read_vocabulary(vocabulary).digest


# A blank, a line end or a control character alone has no ids.
texts = st.lists(
    st.sampled_from([*TEXT.split(), " ", "\n", "  ", "\x00", "中", "’"]), max_size=6
).map("".join) | st.text(max_size=20)
rows = st.tuples(
    st.sampled_from(["train", "dev"]),
    texts,
    st.none() | texts,
    st.lists(texts, min_size=2, max_size=4),
)


@settings(max_examples=60)
@given(st.sampled_from(["classification", "entailment", "regression", "multiple_choice"]),
       st.lists(rows, max_size=8))  # fmt: skip
def test_the_ids_of_the_stage_arranged_are_those_of_the_released_way(
    folder: Path,
    reference: Reference,
    shape: Shape,
    rows: list[tuple[str, str, str | None, list[str]]],
) -> None:
    task = Task("t", shape, ("accuracy",), ("no", "yes") if shape != "regression" else ())
    examples = []
    for n, (split, text, pair, choices) in enumerate(rows):
        second = None if shape == "classification" else pair
        second = second or "" if shape == "entailment" else second
        listed = tuple(choices) if shape == "multiple_choice" else None
        examples.append(Example(split, str(n), text, second, listed, 1.0))
    table, out = folder / "t.parquet", folder / "tokens.parquet"
    write_task(task, examples, table)
    tokenize_task(table, folder / "bpe", out)
    START, DELIMITER, EXTRACT = specials = SpecialTokens.after(len(reference.vocab))

    def expected(example: Example) -> list[list[int]]:
        first = reference.encode(example.text)
        second = None if example.text_pair is None else reference.encode(example.text_pair)
        if example.choices:
            return [
                [START, *first, *(second or []), DELIMITER, *reference.encode(choice), EXTRACT]
                for choice in example.choices
            ]
        if second is None:
            return [[START, *first, EXTRACT]]
        orders = [(first, second)] + [(second, first)] * (shape == "regression")
        return [[START, *one, DELIMITER, *other, EXTRACT] for one, other in orders]

    for is_train, tokens in zip(
        (True, False), read_tokens(out, table, digest(folder / "bpe")), strict=True
    ):
        part = [example for example in examples if (example.split == "train") == is_train]
        found = arrange(task, part, tokens, specials, context=10_000)
        assert [[each.tolist() for each in row] for row in found.sequences] == [
            *map(expected, part)
        ]
        assert found.truncated == 0


def made(folder: Path, vocabulary: str = "bpe", rows: int = 60) -> tuple[Path, Path]:
    """A task's table with texts of all kinds, and its ids."""
    words = TEXT.split()
    examples = [
        Example("train", str(n), " ".join(words[n % 9 :]), None, (words[n % 16], f"{n % 7}"), 1.0)
        for n in range(rows)
    ]
    table, out = folder / "made.parquet", folder / f"made_{vocabulary}.parquet"
    write_task(Task("made", "multiple_choice", ("accuracy",)), examples, table)
    tokenize_task(table, folder / vocabulary, out)
    return table, out


def test_the_file_has_the_same_bytes_whatever_the_workers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set()
    for workers, texts in (("1", 10_000), ("2", 3), ("1", 7)):
        monkeypatch.setenv("GPT1_WORKERS", workers)
        monkeypatch.setattr(tokenized, "TEXTS", texts)
        found.add(made(folder)[1].read_bytes())
    assert len(found) == 1


def test_pandas_reads_whole_ids_beside_split_and_id(folder: Path) -> None:
    _, out = made(folder)
    row = pd.read_parquet(out).iloc[0]
    tokenizer = BPETokenizer.load(folder / "bpe")
    assert (row["split"], row["id"], row["text_pair"]) == ("train", "0", None)
    assert row["text"].tolist() == tokenizer.encode(" ".join(TEXT.split()))
    assert [each.tolist() for each in row["choices"]] == tokenizer.encode_batch(["The", "0"])


def test_each_different_text_is_encoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    encode = tokenized._encode
    monkeypatch.setattr(
        tokenized, "_encode", lambda texts, **names: seen.append(texts) or encode(texts, **names)
    )
    made(folder)
    asked = [*chain.from_iterable(seen)]
    assert len(asked) == len({*asked})


def test_ids_of_another_vocabulary_or_table_are_refused_in_one_line(folder: Path) -> None:
    table, out = made(folder)
    read_tokens(out, table, digest(folder / "bpe"))
    with pytest.raises(
        UserError, match="ids of another vocabulary than the model's; `dvc repro"
    ) as it:
        read_tokens(out, table, digest(folder / "other"))
    assert "\n" not in str(it.value)
    made(folder, "other", rows=61)
    with pytest.raises(
        UserError, match=r"ids of another table than .*made\.parquet; `dvc repro tokens@"
    ):
        read_tokens(out, table, digest(folder / "bpe"))
    with pytest.raises(UserError, match="not a table of token ids"):
        read_tokens(table, table, digest(folder / "bpe"))


def test_a_vocabulary_has_one_digest_whatever_files_it_is_in(folder: Path, tmp_path: Path) -> None:
    BPETokenizer.load(folder / "bpe").save(tmp_path)
    assert digest(tmp_path) == digest(folder / "bpe") != digest(folder / "other")


def test_a_vocabulary_that_changed_in_its_folder_is_loaded_again(
    folder: Path, tmp_path: Path
) -> None:
    for name in ("bpe", "other"):
        BPETokenizer.load(folder / name).save(tmp_path)
        table, expected = made(folder, name)
        tokenize_task(table, tmp_path, tmp_path / "out.parquet")
        assert (tmp_path / "out.parquet").read_bytes() == expected.read_bytes()
