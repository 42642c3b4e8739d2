"""Our tokenizer where people load it with `transformers`."""

import json
import shutil
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoProcessor, AutoTokenizer, OpenAIGPTTokenizer

from gpt1.analysis.zero_shot.scoring import Question, log_probabilities
from gpt1.model.loading import load_model
from gpt1.tasks.model import TaskModel
from gpt1.tasks.table import Task
from gpt1.tokens.bpe import BPETokenizer
from gpt1.tokens.offsets import offsets

ADVERSARIAL = [
    "“Don’t move,” she said…",
    "don't; can't - won't",
    "The cat — an old one – sat.\n\n\nThe dog\tslept.\r\nNo.",
    " .\n",
    "İstanbul ﬁne ½ Å é 猫 🐈 \x00 &amp; <b>",
    "<unk> .</w> \n</w> the.cat (:o) he:o )",
    "",
]


def trusted(directory, **options):
    return AutoTokenizer.from_pretrained(directory, trust_remote_code=True, **options)


@pytest.mark.parametrize("text", ADVERSARIAL)
def test_with_trust_the_ids_are_ours(directory, text):
    assert trusted(directory).encode(text) == BPETokenizer.load(directory).encode(text)


def test_a_batch_is_padded_after_the_text_and_masked(directory):
    found = trusted(directory)(["the cat", "the old dog sat"], padding=True, return_tensors="pt")
    cat, dog = map(BPETokenizer.load(directory).encode, ["the cat", "the old dog sat"])
    assert found["input_ids"].tolist() == [cat + [0] * (len(dog) - len(cat)), dog]
    assert found["attention_mask"].sum(1).tolist() == [len(cat), len(dog)]


@pytest.mark.parametrize("trust", [True, None])
def test_pad_begin_end_and_unknown_are_rows_that_the_network_has(directory, trust):
    found = AutoTokenizer.from_pretrained(directory, trust_remote_code=trust)
    ours = BPETokenizer.load(directory)
    assert found.pad_token_id == found.unk_token_id == 0
    assert [found.bos_token_id] == ours.encode(".")
    assert ours.symbols[found.eos_token_id] == "\n</w>"
    assert len(found) == len(ours)


def test_without_trust_the_librarys_own_class_opens_the_directory(directory):
    assert type(AutoTokenizer.from_pretrained(directory)) is OpenAIGPTTokenizer


def test_decoding_keeps_full_stops_and_line_ends_which_are_special(directory):
    tokenizer, text = trusted(directory), "no cat moved.\nthe dog didn't."
    ids = tokenizer.encode(text)
    assert tokenizer.decode([*ids, tokenizer.pad_token_id], skip_special_tokens=True) == text


def test_what_transformers_saves_again_gives_the_same_ids(directory, tmp_path):
    tokenizer = trusted(directory)
    tokenizer.save_pretrained(tmp_path / "again")
    again = trusted(tmp_path / "again")
    assert [*map(again.encode, ADVERSARIAL)] == [*map(tokenizer.encode, ADVERSARIAL)]


def test_a_vocabulary_without_full_stops_begins_with_the_unknown_token(tmp_path):
    BPETokenizer.train(["the cat the cat"], merges=2).save(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["bos_token"] == "<unk>"


def test_a_fine_tuned_directory_gives_our_ids_and_its_rows_without_symbols_are_readable(
    directory, tmp_path
):
    task = Task("cats", "classification", ("accuracy",), ("no", "yes"))
    network, ours = load_model(directory), BPETokenizer.load(directory)
    TaskModel.from_pretrained(network, task, ours, 0.1).save(tmp_path)
    tokenizer = trusted(tmp_path)
    assert [*map(tokenizer.encode, ADVERSARIAL)] == [*map(ours.encode, ADVERSARIAL)]
    assert tokenizer.decode([*ours.encode("the cat"), len(ours) + 2]) == "the cat <unk>"
    assert AutoModelForCausalLM.from_pretrained(tmp_path).config.vocab_size == len(ours) + 3


def test_offsets_name_the_characters_that_a_token_stands_for(directory):
    text = "“Don’t sit…” 🐈\nİ—cat"
    found = trusted(directory)(text, return_offsets_mapping=True)
    places = [text[begin:end] for begin, end in found["offset_mapping"]]
    tokens = trusted(directory).convert_ids_to_tokens(found["input_ids"])
    pairs = dict(zip([token.removesuffix("</w>") for token in tokens], places, strict=True))
    assert pairs['"'] == "”"
    assert pairs["n't"] == "n’t"
    assert pairs["\n"] == "\n"
    assert pairs["cat"] == "cat"
    assert pairs["-"] == "—"


@given(st.text(st.sampled_from("aA .\n'’“-—…é🐈&;")))
def test_offsets_lie_in_the_text_and_never_go_back(text):
    symbols = vocabulary().encode(text)
    found = offsets(text, [vocabulary().symbols[id] for id in symbols])
    assert all(0 <= begin < end <= len(text) for begin, end in found)
    assert [begin for begin, _ in found] == sorted(begin for begin, _ in found)


def vocabulary(made=[]):  # noqa: B006
    if not made:
        made.append(BPETokenizer.train(["a a. a-a aa aa a ' \" ... ; &"] * 2, merges=1))
    return made[0]


def test_offsets_of_padded_or_paired_texts_are_refused(directory):
    with pytest.raises(ValueError, match="whole single texts"):
        trusted(directory)(["the", "the old dog"], padding=True, return_offsets_mapping=True)


def test_babylms_zero_shot_calls_give_the_scores_of_our_own(directory):
    """What `evaluation_pipeline.sentence_zero_shot.run` asks of a causal model, in our words.

    A sentence is a processor's tokens with offsets, right-padded by the pad token; the sum of the
    log-probabilities of the tokens that end after the completion's first character is its score.
    """
    long = "The dog didn’t sleep on the old mat."
    sentences = [("No cat has moved it.", 0), (long, long.index(" sleep"))]
    processor = AutoProcessor.from_pretrained(
        directory, padding_side="right", trust_remote_code=True, add_bos_token=True
    )
    model = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True).eval()
    rows = [processor(text=text, return_offsets_mapping=True) for text, _ in sentences]
    masks = [
        [end > start for _, end in row["offset_mapping"]]
        for row, (_, start) in zip(rows, sentences, strict=True)
    ]

    def padded(lists, value):
        tensors = [torch.tensor(each, dtype=torch.int64) for each in lists]
        return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)

    ids = padded([row["input_ids"] for row in rows], processor.pad_token_id)
    attention = padded([row["attention_mask"] for row in rows], 0)
    with torch.no_grad():
        logits = model(input_ids=ids[:, :-1], attention_mask=attention[:, :-1]).logits
    each = logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    found = (each * padded(masks, 0)[:, 1:]).sum(1).tolist()

    encode = BPETokenizer.load(directory).encode
    questions = [
        Question(encode(".") + encode(text[:start]), [encode(text[start:])])
        for text, start in sentences
    ]
    ours = [float(s.sum()) for [s] in log_probabilities(load_model(directory), questions)]
    assert found == pytest.approx(ours, abs=1e-5)


def test_the_code_in_a_directory_says_which_package_it_needs(directory, tmp_path, monkeypatch):
    copied = shutil.copytree(directory, tmp_path / "copied")
    monkeypatch.setitem(sys.modules, "gpt1.harness.tokenizer", None)
    with pytest.raises(ImportError, match="gpt1"):
        trusted(copied)
