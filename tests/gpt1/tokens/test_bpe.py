import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gpt1.errors import UserError
from gpt1.tokens.bpe import BPETokenizer
from tests.gpt1.tokens.reference import Reference

REAL_DATA = os.environ.get("GPT1_REAL_DATA")
TEXT = "The lord said, let us go up; and the people went up with the lord.\nAnd he said: go!\n"


@pytest.fixture(scope="module")
def tokenizer() -> BPETokenizer:
    return BPETokenizer.train([TEXT], 20)


def test_the_vocabulary_is_laid_out_as_the_released_one(tokenizer: BPETokenizer) -> None:
    symbols = sorted(tokenizer.vocab, key=tokenizer.vocab.__getitem__)
    characters = sorted(set(TEXT.lower()) - {" ", "\n"})
    assert symbols[0] == "<unk>"
    assert symbols[1 : 1 + len(characters)] == characters
    base = 1 + 2 * len(characters)
    assert symbols[1 + len(characters) : base] == [c + "</w>" for c in characters]
    assert symbols[base:-1] == [a + b for a, b in tokenizer.merges]
    assert symbols[-1] == "\n</w>"
    assert list(tokenizer.vocab.values()) == list(range(len(tokenizer)))


@pytest.mark.slow
def test_training_gives_the_same_files_in_every_process(tmp_path: Path) -> None:
    # Every pair of these words is as frequent as any other: nothing but ties.
    script = (
        "import sys; from pathlib import Path; from gpt1.tokens.bpe import BPETokenizer;"
        "words = ' '.join(a + b + c for a in 'abcdef' for b in 'ghijkl' for c in 'mnopqr');"
        "out = Path(sys.argv[1]); out.mkdir(); BPETokenizer.train([words], 60).save(out)"
    )
    for name, threads in [("one", "1"), ("two", "2"), ("three", "2")]:
        environment = os.environ | {"RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        command = [sys.executable, "-c", script, str(tmp_path / name)]
        subprocess.run(command, env=environment, check=True)
    for file in ("vocab.json", "merges.txt"):
        contents = {(tmp_path / name / file).read_bytes() for name in ("one", "two", "three")}
        assert len(contents) == 1


def test_a_saved_vocabulary_comes_back(tokenizer: BPETokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    again = BPETokenizer.load(tmp_path)
    assert (again.vocab, again.merges) == (tokenizer.vocab, tokenizer.merges)
    assert again.encode(TEXT) == tokenizer.encode(TEXT)


def test_text_comes_back_lower_cased_with_single_spaces(tokenizer: BPETokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("The Lord\n\nsaid:  go!")) == "the lord\nsaid : go !"


def test_a_word_ends_where_its_symbol_says(tokenizer: BPETokenizer) -> None:
    ends = tokenizer.ends_word()
    ids = tokenizer.encode("the lord\nsaid, go")
    assert sum(ends[ids]) == 6  # four words, a comma, a line end
    assert not ends[tokenizer.vocab["l"]]


def test_unknown_characters_are_id_0(tokenizer: BPETokenizer) -> None:
    assert tokenizer.encode("\u4e2d") == [0]


def test_more_merges_than_there_are_pairs_are_refused() -> None:
    with pytest.raises(UserError, match=r"bpe\.merges = 50, .* only 1 "):
        BPETokenizer.train(["ab ab"], 50)


def test_a_folder_without_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vocab\.json"):
        BPETokenizer.load(tmp_path)
    (tmp_path / "vocab.json").write_text(json.dumps({"a": 1})[:-1])
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(UserError, match=r"vocab\.json: not JSON"):
        BPETokenizer.load(tmp_path)


def test_merges_that_were_cut_are_noticed(tokenizer: BPETokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    lines = (tmp_path / "merges.txt").read_text().splitlines(keepends=True)
    (tmp_path / "merges.txt").write_text("".join(lines[:-1]))
    with pytest.raises(UserError, match=f"no merge makes {''.join(tokenizer.merges[-1])}"):
        BPETokenizer.load(tmp_path)


# What the chain is touchy about: spaCy's special cases and their parts, white space of every kind,
# mojibake, HTML, quotes and dashes, characters that grow or vanish.
PIECES = [
    *[":", "-", ")", "(", "'", "\u2019", "''", ".", "P", "D", "o", "3", "<", ">", "=", "_", "^"],
    *["He", "'s", "O", "\u00b0", "F", "C.", "Mr", "Mr.", "10a.m.", "a.m", "Ph", "D.", "\u2018nuff"],
    *[
        " ",
        "  ",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "\t",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x85",
        "\xa0",
        "\u2028",
    ],
    *[
        "\u3000",
        "\u200b",
        "\ufeff",
        "&amp;",
        "&lt;",
        "&",
        "<b>",
        "\u00c3\u00a9",
        "\u00e2\u20ac\u2122",
    ],
    *[
        "\u201c",
        "\u201d",
        "\u2014",
        "\u2013",
        "\u2015",
        "\u2026",
        "\u00b4",
        "\\",
        "\x00",
        "\x1b[0m",
    ],
    *[
        "\u00e9",
        "\u0130",
        "\u00df",
        "\ufb01",
        "\u4e2d",
        "\U0001f600",
        "\ud800",
        "\ue000",
        "/",
        "--",
    ],
    *[
        "http://a.b/c",
        "a@b.co",
        "1,000",
        "U.S.",
        "don't",
        "O'Neil",
        "Word",
        "the",
        "cannot",
        "gonna",
    ],
]


@pytest.fixture(scope="module")
def released() -> BPETokenizer:
    if not REAL_DATA:
        pytest.skip("GPT1_REAL_DATA is not set")
    return BPETokenizer.load(Path(REAL_DATA) / "openai-bpe")


@pytest.fixture(scope="module")
def small() -> tuple[BPETokenizer, Reference]:
    """A vocabulary of the pieces themselves, so that every one of them counts."""
    tokenizer = BPETokenizer.train([" ".join(PIECES).replace("\ud800", "") * 3, TEXT * 5], 60)
    return tokenizer, Reference(tokenizer.vocab, tokenizer.merges)


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@example("Shei\u00b0F.Sheo.O (o: o.Oi\u00b0F.")
@example("\u2019 \u2019\u20198p.m who\u2019s")
@example(":P e:-) :P:P:-):P ")
def test_adversarial_text_gives_the_ids_of_the_released_way(
    small: tuple[BPETokenizer, Reference], text: str
) -> None:
    tokenizer, reference = small
    assert tokenizer.encode(text) == reference.encode(text)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=60))
def test_any_text_gives_the_ids_of_the_released_way(
    small: tuple[BPETokenizer, Reference], text: str
) -> None:
    tokenizer, reference = small
    assert tokenizer.encode(text) == reference.encode(text)


@pytest.mark.parametrize("stretch", [4_000, pytest.param(80_000, marks=pytest.mark.nightly)])
def test_every_real_book_gives_the_ids_of_the_released_way(
    released: BPETokenizer, stretch: int
) -> None:
    """A stretch of each, elsewhere in every one; `SIZE=100000000 benchmarks/text.py`: all whole."""
    reference = Reference(released.vocab, released.merges)
    paths = sorted(Path(REAL_DATA or "").glob("books*/*.txt"))
    assert len(paths) == 83
    for number, path in enumerate(paths):
        text = path.read_bytes().decode("utf-8-sig")
        start = number * 40_000 % max(len(text) - stretch, 1)
        part = text[start : start + stretch]
        assert released.encode(part) == reference.encode(part), path.name


def test_a_text_in_pieces_or_after_a_full_table_gives_the_same_ids(
    small: tuple[BPETokenizer, Reference], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer, reference = small
    text = " ".join(PIECES * 3)
    monkeypatch.setattr("gpt1.tokens.pre_tokenizer.BLOCK", 7)
    monkeypatch.setattr("gpt1.tokens.pre_tokenizer.MAX_CHUNKS", 5)
    for _ in range(2):
        assert tokenizer.encode(text) == reference.encode(text)


def test_the_released_vocabulary_has_40478_ids_and_40000_merges(released: BPETokenizer) -> None:
    assert (len(released), len(released.merges)) == (40_478, 40_000)
    assert released.encode("the\nend") == [
        released.vocab["the</w>"],
        40_477,
        released.vocab["end</w>"],
    ]
