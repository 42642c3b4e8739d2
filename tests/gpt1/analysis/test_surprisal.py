"""The surprisal of words, against the networks of `transformers` on the same ids."""

import csv
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, GPT2TokenizerFast
from typer.testing import CliRunner

import gpt1
from gpt1.analysis.surprisal import align, read_texts, word_surprisals
from gpt1.errors import UserError
from gpt1.model.gpt2 import GPT2
from gpt1.model.lstm import LSTM, LSTMConfig
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tokens.bpe import BPETokenizer
from pipelines.cli import app
from tests.gpt1.tokens.test_byte_level import train as train_byte_level

CONTEXT = 64
TEXTS = [
    "The cat didn't sit on the mat.",
    "The old dog - “an old one” - slept:  why? (she said)",
    "cat",
    "",
    "The dog sat.\n\nIt slept; the cat\tmoved.",
]
BOOK = """The cat sat on the mat. It didn't move; "why?" she said. The old dogs - an old one - slept
. A naïve café and the sea was calm."""


def far_from_uniform(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


def make(kind, folder):
    """A model directory."""
    folder.mkdir()
    if kind == "imported":
        train_byte_level(folder)
    else:
        BPETokenizer.train([BOOK] * 3, merges=40).save(folder)
    torch.manual_seed(0)
    sizes = {"layers": 2, "width": 16, "context": CONTEXT, "dropout": 0.1}
    sizes["vocab"] = len(gpt1.load_tokenizer(folder))
    if kind == "lstm":
        model = LSTM(LSTMConfig(**sizes))
    else:
        model = (GPT if kind == "gpt" else GPT2)(GPTConfig(heads=2, **sizes))
    far_from_uniform(model).save(folder)
    return folder


@pytest.fixture(scope="module", params=["gpt", "gpt2", "imported", "lstm"])
def directory(request, tmp_path_factory):
    return make(request.param, tmp_path_factory.mktemp("models") / request.param)


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    return make("imported", tmp_path_factory.mktemp("models") / "imported")


def surprisals(directory, texts):
    return list(word_surprisals(gpt1.load(directory), gpt1.load_tokenizer(directory), texts))


def log_softmax(directory, ids):
    """float64 (T, V), by the network of `transformers`, or ours where it has none."""
    config = json.loads((directory / "config.json").read_text())
    with torch.no_grad():
        if config["model_type"] == "gpt1-lstm":
            logits = gpt1.load(directory)(torch.tensor([ids]))
        else:
            logits = AutoModelForCausalLM.from_pretrained(directory)(torch.tensor([ids])).logits
    return logits[0].double().log_softmax(-1).numpy()


def spaces(directory):
    """bool (V,): what begins with ASCII white space or ends a text, by the symbols themselves."""
    symbols = GPT2TokenizerFast.from_pretrained(directory).convert_ids_to_tokens(range(330))
    return np.array([s == "<|endoftext|>" or s[0] in "ĠĊĉčċČĜĝĞğ" for s in symbols])


def test_words_sum_to_the_texts_log_probability_by_transformers(directory):
    """What has no surprisal, first words and tokens of white space, is taken from the oracle."""
    tokenizer = gpt1.load_tokenizer(directory)
    for text, words in zip(TEXTS, surprisals(directory, TEXTS), strict=True):
        assert [word.text for word in words] == text.split()
        if not words:
            continue
        ids = tokenizer.encode(text)
        if directory.name == "imported":
            if "  " in text or "\n" in text:
                continue  # the test of words below has them
            ids = [tokenizer.vocab["<|endoftext|>"], *ids]
            found = log_softmax(directory, ids)
            expected = -found[range(len(ids) - 1), ids[1:]].sum()
            expected -= np.logaddexp.reduce(found[-1][spaces(directory)])
            expected += np.logaddexp.reduce(found[0][~spaces(directory)])
            assert sum(word.bits for word in words) == pytest.approx(expected / math.log(2))
            continue
        found = log_softmax(directory, ids)
        each = -found[range(len(ids) - 1), ids[1:]] / math.log(2)
        beside = each[: len(words[0].tokens) - 1].sum()
        line_end = tokenizer.vocab["\n</w>"]
        beside += sum(bits for bits, id in zip(each, ids[1:], strict=True) if id == line_end)
        assert words[0].bits is None
        assert sum(word.bits for word in words[1:]) + beside == pytest.approx(each.sum())


def test_a_word_of_gpt1_is_the_sum_of_the_tokens_that_it_has_alone(tmp_path):
    directory = make("gpt", tmp_path / "gpt")
    tokenizer = gpt1.load_tokenizer(directory)
    text = "the dog didn't “move” (…) — old."
    [words] = surprisals(directory, [text])
    alone = tokenizer.encode_batch(text.split())
    assert [id for ids in alone for id in ids] == tokenizer.encode(text)
    found = log_softmax(directory, tokenizer.encode(text))
    start = len(alone[0])
    for word, ids in zip(words[1:], alone[1:], strict=True):
        expected = sum(-found[start + i - 1, id] for i, id in enumerate(ids))
        assert word.bits == pytest.approx(expected / math.log(2), abs=1e-4)
        assert word.tokens == [tokenizer.symbols[id] for id in ids]
        start += len(ids)


def test_a_word_of_gpt2_has_its_own_end_and_not_that_of_the_word_before(imported):
    """Token by token, with the vocabulary of `transformers`; a space alone is of no word."""
    theirs = GPT2TokenizerFast.from_pretrained(imported)
    pieces = ["The", " old", " man's", "\n", " ", " sea", " on", " \n", "calm,", " so"]
    ids = theirs.encode("<|endoftext|>" + "".join(pieces))
    found = log_softmax(imported, ids)
    at, expected = 1, []
    for piece in pieces:
        own = theirs.encode(piece)
        assert ids[at : at + len(own)] == own
        bits = -sum(found[at + i - 1, id] for i, id in enumerate(own))
        bits -= np.logaddexp.reduce(found[at + len(own) - 1][spaces(imported)])
        begins = spaces(imported) == piece[0].isspace()
        bits += np.logaddexp.reduce(found[at - 1][begins])
        if piece.strip():
            expected.append(bits / math.log(2))
        at += len(own)
    [words] = surprisals(imported, ["".join(pieces)])
    assert [word.bits for word in words] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("directory", ["gpt", "lstm"], indirect=True)
def test_a_token_is_predicted_from_half_of_the_context_or_more(directory):
    """Token by token: the first window predicts as many as the context, each other one half."""
    text = " ".join(["The old dog sat on a mat and the cat slept."] * 30)
    tokenizer, model = gpt1.load_tokenizer(directory), gpt1.load(directory)
    ids = tokenizer.encode(text)
    assert len(ids) > 3 * CONTEXT
    bits = [math.nan]
    for place in range(1, len(ids)):
        moved = max(0, -((CONTEXT - place) // (CONTEXT // 2))) * (CONTEXT // 2)
        start = max(0, min(CONTEXT + moved, len(ids) - 1) - CONTEXT)
        assert start == 0 or place - start > CONTEXT // 2
        with torch.no_grad():
            found = model(torch.tensor([ids[start:place]]))[0, -1].double().log_softmax(-1)
        bits.append(-found[ids[place]].item() / math.log(2))
    [words] = surprisals(directory, [text])
    assert sum(len(word.tokens) for word in words) == len(ids)
    for word in words:
        own, bits = bits[: len(word.tokens)], bits[len(word.tokens) :]
        assert (word.bits is None) if math.isnan(own[0]) else word.bits == pytest.approx(sum(own))


def vocabularies(made={}):  # noqa: B006
    if not made:
        made["words"] = BPETokenizer.train([BOOK] * 3, merges=40)
        with tempfile.TemporaryDirectory() as folder:
            train_byte_level(Path(folder))
            made["bytes"] = gpt1.load_tokenizer(folder)
    return made


PIECES = [
    *"aA.'’“—…é½ﬁİΣς\n\t\r \x0b\x1c\u2028\u3000",
    *("e\u0301", ":o", ")", "the", "don't", "cat", "  ", "🐈", "中"),
]
"""No HTML, mistaken encodings and control characters, which are repaired across words: of such
texts one in thousands has a token at the word beside. Below are some that are right."""


@pytest.mark.parametrize("kind", ["words", "bytes"])
@given(text=st.lists(st.sampled_from(PIECES)).map("".join))
def test_words_are_as_given_and_each_token_is_of_one_word_or_of_white_space(kind, text):
    tokenizer = vocabularies()[kind]
    found = align(text, tokenizer)
    assert found.words == text.split()
    if not found.words:
        assert found.ids == []
        return
    places = [place for own in found.places for place in own]
    assert places == sorted({*places})
    before = int(kind == "bytes")
    assert found.ids[before : len(found.ids) - before] == tokenizer.encode(text)
    beside = {*range(before, len(found.ids) - before)} - {*places}
    for place in beside:
        assert not tokenizer.decode([found.ids[place]]).replace("\ufffd", "").strip()


LONG = "the cat sat on the mat. " * 40


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        (f"{LONG}itâ€™s the café. {LONG}", f"{LONG}it's the café. {LONG}"),
        (f"{LONG}a &amp; the ½ ﬁne 🐈🐈 cat {LONG}", f"{LONG}a & the ½ fine 🐈🐈 cat {LONG}"),
        (f"the â€™ &amp; a {LONG}", f"the ' & a {LONG}"),
        (f"the Î•Î»Î»Î·Î½Î¹ÎºÎ¬ cat {LONG}", f"the Ελληνικά cat {LONG}"),
        (f"e\u0301 ΣΑΣ the {LONG}", f"é ΣΑΣ the {LONG}"),
        (f"İ\x1b[36;44mcat \x07the {LONG}", f"İcat the {LONG}"),
    ],
)
def test_a_word_has_its_own_tokens_where_repairs_change_the_length_of_the_text(text, repaired):
    tokenizer = vocabularies()["words"]
    found = align(text, tokenizer)
    own = [[found.ids[place] for place in places] for places in found.places]
    assert own == tokenizer.encode_batch(repaired.split())


def write_table(folder, name, texts):
    path = folder / name
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"id": range(len(texts)), "text": texts}), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    else:
        with path.open("w", newline="") as file:
            rows = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            rows.writerows([["id", "text"], *enumerate(texts)])
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_a_table_has_a_text_in_each_row_and_line_ends_within(name, tmp_path):
    assert read_texts(write_table(tmp_path, name, TEXTS)) == TEXTS


def test_a_text_file_has_a_text_in_each_line_blank_ones_counted(tmp_path):
    (tmp_path / "t").write_bytes("\ufeffThe cat.\r\n\n a\u2028dog\n".encode())
    assert read_texts(tmp_path / "t") == ["The cat.", "", " a\u2028dog"]


@pytest.mark.parametrize("mark", "\v\f\x1c\x1d\x1e\x85\u2028\u2029")
@pytest.mark.parametrize("kind", ["words", "bytes"])
def test_what_separates_lines_elsewhere_ends_no_text_and_separates_its_words(kind, mark, tmp_path):
    (tmp_path / "t").write_text(f"The{mark}cat\nA dog\n", newline="")
    texts = read_texts(tmp_path / "t")
    assert texts == [f"The{mark}cat", "A dog"]
    assert align(texts[0], vocabularies()[kind]).words == ["The", "cat"]


def test_two_columns_called_text_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("text,,id,,text\nThe cat,,1,,A dog\n")
    (tmp_path / "t.tsv").write_text("text\ttext\nThe cat\tA dog\n")
    for name in ("t.csv", "t.tsv"):
        with pytest.raises(UserError, match=f"^{name}, line 2: two columns are called text; ren"):
            read_texts(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.txt", None, "none.txt: no such file"),
        ("t.txt", b"The caf\xe9\n", "t.txt, line 1: not UTF-8"),
        ("t.txt", b"\n \n", "t.txt: there is no word in it"),
        ("t.csv", b"", "t.csv: there is no word in it"),
        ("t.csv", b"id,sentence\n1,The cat\n", "t.csv, line 2: no column text; .* id, sentence"),
        ("t.jsonl", b'{"text": 5}\n', "t.jsonl, line 1: text is 5, not a text"),
        ("t.parquet", b"PAR1", "t.parquet: not a readable Parquet file"),
    ],
)
def test_a_file_without_texts_is_one_line(name, content, said, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_texts(tmp_path / name)


def test_a_vocabulary_of_another_model_is_one_line(tmp_path):
    directory = make("gpt", tmp_path / "gpt")
    tokenizer = gpt1.load_tokenizer(make("imported", tmp_path / "imported"))
    with pytest.raises(UserError, match="token rows and the vocabulary 330; they do not belong"):
        next(word_surprisals(gpt1.load(directory), tokenizer, ["the cat"]))


def test_the_command_writes_a_row_for_each_word_and_never_over_a_file(directory, tmp_path):
    file, out = write_table(tmp_path, "t.parquet", TEXTS), tmp_path / "out.parquet"
    asked = ["surprisal", str(directory), str(file), "--out", str(out)]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    rows = pq.read_table(out).to_pylist()
    expected = surprisals(directory, TEXTS)
    places = [(n, m) for n, words in enumerate(expected, 1) for m in range(1, len(words) + 1)]
    assert [(row["text_number"], row["word_number"]) for row in rows] == places
    flat = [word for words in expected for word in words]
    assert [row["word"] for row in rows] == [word.text for word in flat]
    assert [row["tokens"] for row in rows] == [word.tokens for word in flat]
    assert [row["surprisal_bits"] for row in rows] == [word.bits for word in flat]
    again = CliRunner().invoke(app, asked)
    assert "is there already" in str(again.exception)


@pytest.mark.parametrize("end", ["\r", "\r\n", "\u2028", "\u2029"])
@pytest.mark.parametrize("kind", ["words", "bytes"])
def test_no_line_end_is_part_of_a_word(kind, end):
    tokenizer = vocabularies()[kind]
    found, expected = (align(text, tokenizer) for text in (f"the dog{end}ran", "the dog\nran"))
    assert found.words == expected.words
    if kind == "words":  # whose texts are repaired to the same
        assert found.places == expected.places


def test_a_file_that_is_no_text_is_refused(tmp_path):
    for name, content in {"a.json": b"[]", "b.xlsx": b"PK\0\3 words"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f"{name}: not a text file"):
            read_texts(tmp_path / name)
