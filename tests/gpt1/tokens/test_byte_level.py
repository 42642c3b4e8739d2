"""GPT-2's tokenizer against `transformers`', with a small vocabulary that is trained here."""

import json
from pathlib import Path

import pytest
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2TokenizerFast

import gpt1
from gpt1.errors import UserError
from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.byte_level import ByteLevelTokenizer
from gpt1.tokens.tokenizer import load_tokenizer

PROSE = [
    "The old man sat by the sea, and the sea was calm.",
    "He'd said \u201cIt isn't so\u201d 42 times; they didn't listen\u2026\n\nWhy?",
    "A naïve café — Ελληνικά, русский, 日本語 and 🙂 in 1,024 words.",
]
TEXTS = [*PROSE, "", " ", "two  spaces\tand\r\na tab ", "<|endoftext|>The<|endoftext|>", "\x00\x7f"]


def train(folder: Path, names: str = "pair") -> GPT2TokenizerFast:
    """Write a byte-level vocabulary as released (two files), or as `transformers` saves it."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = ByteLevelBPETokenizer()
    special = ["<|endoftext|>"]
    trained.train_from_iterator(PROSE * 3, vocab_size=330, special_tokens=special)
    trained.save_model(str(folder))
    theirs = GPT2TokenizerFast.from_pretrained(folder)
    if names == "tokenizer.json":
        for name in ("vocab.json", "merges.txt"):
            (folder / name).unlink()
        theirs.save_pretrained(folder)
    return theirs


@pytest.mark.parametrize("names", ["pair", "tokenizer.json"])
def test_every_text_has_the_ids_of_transformers_and_comes_back(names: str, tmp_path: Path) -> None:
    theirs = train(tmp_path, names)
    ours = load_tokenizer(tmp_path)
    assert isinstance(ours, ByteLevelTokenizer)
    assert len(ours) == len(theirs) == 330
    for text in TEXTS:
        assert ours.encode(text) == theirs(text)["input_ids"], text
        assert ours.decode(ours.encode(text)) == text
    assert ours.encode_batch(TEXTS) == theirs(TEXTS)["input_ids"]
    ids, lengths = ours.encode_arrays(TEXTS)
    assert ids.dtype == "uint16"
    assert ids.tolist() == [id for text in TEXTS for id in theirs(text)["input_ids"]]
    assert lengths.tolist() == [len(theirs(text)["input_ids"]) for text in TEXTS]
    assert ours.encode_arrays([])[0].tolist() == []


def test_what_is_saved_is_the_same_to_us_and_to_transformers(tmp_path: Path) -> None:
    theirs = train(tmp_path / "theirs", "tokenizer.json")
    theirs.add_special_tokens({"pad_token": "[PAD]"})
    theirs.save_pretrained(tmp_path / "theirs")
    ours = load_tokenizer(tmp_path / "theirs")
    (tmp_path / "ours").mkdir()
    ours.save(tmp_path / "ours")
    again = load_tokenizer(tmp_path / "ours")
    assert (again.digest, len(again)) == (ours.digest, 331)
    text = "The old man[PAD] sat"
    ids = theirs(text)["input_ids"]
    assert ours.encode(text) == again.encode(text) == ids
    assert 330 in ids
    assert GPT2TokenizerFast.from_pretrained(tmp_path / "ours")(PROSE)["input_ids"] == (
        ours.encode_batch(PROSE)
    )


def test_a_character_comes_when_its_last_byte_has_come(tmp_path: Path) -> None:
    train(tmp_path)
    ours = load_tokenizer(tmp_path)
    ids = [*ours.encode(" sea"), *(ours.vocab[symbol] for symbol in "ðŁĻĤ")]  # the bytes of 🙂
    assert [*ours.continuation(ids)] == [" sea", "🙂"]


def test_a_text_that_continues_another_begins_with_a_space_where_words_do(tmp_path: Path) -> None:
    train(tmp_path)
    ours, words = load_tokenizer(tmp_path), BPETokenizer({"<unk>": 0, "a</w>": 1}, [])
    for text, expected in [("positive", " positive"), (", he said", ", he said"), ("\nso", "\nso")]:
        assert ours.continuing(text) == expected
        assert words.continuing(text) == text
    assert ours.continuing("") == ""


def test_it_is_not_taken_for_a_vocabulary_of_words(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(UserError, match=r"of a GPT-2; gpt1\.load_tokenizer opens it"):
        BPETokenizer.load(tmp_path)
    assert isinstance(gpt1.load_tokenizer(tmp_path), ByteLevelTokenizer)


def test_an_id_that_is_not_there_is_named(tmp_path: Path) -> None:
    train(tmp_path)
    ours = load_tokenizer(tmp_path)
    for id in (330, -1):
        with pytest.raises(UserError, match=f"id {id} is not in this vocabulary of 330"):
            ours.decode([id])


@pytest.mark.parametrize(
    ("where", "change", "said"),
    [
        ("model", {"type": "Unigram"}, "model.type is 'Unigram'"),
        ("model", {"end_of_word_suffix": "</w>"}, "model.end_of_word_suffix is '</w>'"),
        ("model", {"ignore_merges": True}, "model.ignore_merges is True"),
        ("pre_tokenizer", {"add_prefix_space": True}, "pre_tokenizer.add_prefix_space is True"),
        ("pre_tokenizer", {"type": "Whitespace"}, "pre_tokenizer.type is 'Whitespace'"),
        ("normalizer", {"type": "NFC"}, "normalizer is {'type': 'NFC'}"),
        ("model", {"merges": []}, "no merge makes"),
    ],
)
def test_a_tokenizer_that_gives_other_ids_is_refused(
    tmp_path: Path, where: str, change: dict[str, object], said: str
) -> None:
    train(tmp_path, "tokenizer.json")
    file = tmp_path / "tokenizer.json"
    values = json.loads(file.read_text())
    values[where] = (values[where] or {}) | change
    file.write_text(json.dumps(values))
    with pytest.raises(UserError, match=rf"no vocabulary of a GPT-1 or GPT-2 \({said}"):
        load_tokenizer(tmp_path)


def test_a_truncated_vocabulary_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    file = tmp_path / "vocab.json"
    symbols = json.loads(file.read_text())
    del symbols["ā" if "ā" in symbols else "Ā"]
    file.write_text(json.dumps({symbol: id for id, symbol in enumerate(symbols)}))
    with pytest.raises(UserError, match="there is no <unk>, and not the 256 bytes of a GPT-2"):
        load_tokenizer(tmp_path)
