import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from gpt1.errors import UserError
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tasks import request
from gpt1.tasks.model import TaskModel
from gpt1.tasks.table import Example, Shape, Task
from gpt1.tokens.bpe import BPETokenizer

TEXTS = ["the dog ran.", "a cat sat on the mat.", "the cat."]


def model(shape: Shape) -> TaskModel:
    torch.manual_seed(0)
    tokenizer = BPETokenizer.train(TEXTS, merges=4)
    config = GPTConfig(
        vocab=len(tokenizer) + 3, layers=1, width=8, heads=2, context=32, dropout=0.1
    )
    task = Task("t", shape, ("accuracy",), ("no", "yes"))
    return TaskModel(GPT(config), task, tokenizer).eval()


def test_lines_are_answered_in_order_and_blank_ones_are_skipped() -> None:
    asked = model("classification")
    lines = [TEXTS[0] + "\n", "\n", json.dumps({"text": TEXTS[1]}) + "\n", TEXTS[2]]
    assert list(request.answers(asked, lines)) == asked.predict(TEXTS)


def test_bytes_that_are_no_utf8_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "texts").write_bytes(b"the dog\n" * 3 + b"caf\xe9\n")
    with (
        (tmp_path / "texts").open(encoding="utf-8") as lines,
        pytest.raises(UserError, match="UTF-8"),
    ):
        list(request.answers(model("classification"), lines))


@pytest.mark.parametrize(
    "line", ["{sic} the dog ran.", "{", "{the: dog}", '{"the dog" ran.', "[1]"]
)
def test_a_text_may_begin_with_a_brace(line: str) -> None:
    asked = model("classification")
    assert list(request.answers(asked, [line])) == asked.predict([line])


def test_a_byte_order_mark_hides_no_object() -> None:
    asked = model("classification")
    line = json.dumps({"text": TEXTS[0]})
    assert list(request.answers(asked, ["\ufeff" + line])) == asked.predict(TEXTS[:1])


def test_half_a_surrogate_pair_in_a_line_can_be_answered_and_printed() -> None:
    asked = model("multiple_choice")
    line = json.dumps({"text": "the dog", "choices": ["a \ud83d", "ran."]})
    [found] = request.answers(asked, [line])
    assert [*found["probabilities"]] == ["a \ufffd", "ran."]
    request.format_answer(found).encode()


def test_a_tab_separates_the_texts_of_a_pair_and_the_choices() -> None:
    pair = model("entailment")
    assert (
        next(request.answers(pair, ["the dog\ta cat"]))
        == pair.predict([{"text": "the dog", "text_pair": "a cat"}])[0]
    )
    choice = model("multiple_choice")
    assert (
        next(request.answers(choice, ["the dog\tran.\tsat."]))
        == choice.predict([{"text": "the dog", "choices": ["ran.", "sat."]}])[0]
    )


def test_a_score_has_no_label() -> None:
    found = next(request.answers(model("regression"), ["the dog\ta cat"]))
    assert set(found) == {"score"}
    assert float(request.format_answer(found)) == pytest.approx(found["score"], abs=1e-4)


@pytest.mark.parametrize(
    ("shape", "line", "message"),
    [
        ("classification", '{"text": "a"', "line 1: not JSON"),
        ("classification", "{'text': 'a'}", "line 1: not JSON"),
        ("classification", "a\tb", "line 1: t takes one text, but a tab separates two"),
        ("entailment", "alone", "text_pair is missing, empty or not a text"),
        ("classification", '{"txt": "a", "text": "b"}', "line 1: unknown key txt.* mean text"),
        ("regression", '{"text": "a", "text_pair": 5}', "line 1: text_pair is not a text"),
    ],
)
def test_a_line_that_does_not_fit_is_named(shape: Shape, line: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(request.answers(model(shape), [line]))


def test_a_row_of_a_tasks_own_table_can_be_asked_about() -> None:
    asked = model("classification")
    row = asdict(Example("test", "7", TEXTS[0], target=1.0))
    assert list(request.answers(asked, [json.dumps(row)])) == asked.predict(TEXTS[:1])


def test_a_row_is_named_by_its_line_in_a_file_of_any_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request, "LINES_AT_ONCE", 2)
    with pytest.raises(UserError, match="line 5: t needs text"):
        list(request.answers(model("classification"), [*TEXTS, "\n", '{"text": ""}']))


def test_a_text_of_a_hundred_thousand_words_is_answered() -> None:
    found = next(request.answers(model("classification"), ["the dog " * 50_000]))
    assert sum(found["probabilities"].values()) == pytest.approx(1)


def test_the_command_line_answers_arguments_files_and_standard_input(tmp_path: Path) -> None:
    from pipelines.cli import app

    saved = model("classification")
    saved.save(tmp_path / "m")
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    run = CliRunner().invoke
    given = [str(tmp_path / "m"), "--json"]
    outputs = [
        run(app, ["predict", *given, *TEXTS]),
        run(app, ["predict", *given, "--file", str(tmp_path / "texts.txt")]),
        run(app, ["predict", *given], input="\n".join(TEXTS)),
    ]
    for output in outputs:
        assert output.exit_code == 0, output.output
        assert [json.loads(line) for line in output.stdout.splitlines()] == saved.predict(TEXTS)
    both = run(app, ["predict", *given, "text", "--file", str(tmp_path / "texts.txt")])
    assert str(both.exception) == "there are texts and --file; give one of them"
    for_the_eye = run(app, ["predict", str(tmp_path / "m"), TEXTS[0]]).stdout
    assert for_the_eye.split("\t")[0] == saved.predict(TEXTS[:1])[0]["label"]
