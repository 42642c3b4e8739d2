"""lm-evaluation-harness on its own task machinery, against `gpt1`'s scoring."""

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch

from gpt1.analysis.zero_shot.scoring import Question, log_probabilities
from gpt1.analysis.zero_shot.task import ZeroShotTask
from gpt1.errors import UserError
from gpt1.model.loading import load_model
from gpt1.model.lstm import LSTM, LSTMConfig
from gpt1.tasks.model import TaskModel
from gpt1.tasks.table import Example, Task
from gpt1.tokens.bpe import BPETokenizer

lm_eval = pytest.importorskip("lm_eval", reason="lm_eval is not installed (gpt1[eval])")

from lm_eval.api.instance import Instance  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

from gpt1.harness.model import GPT1Model  # noqa: E402
from tests.gpt1.tokens.test_byte_level import train as train_vocabulary  # noqa: E402

ROOT = Path(__file__).parents[3]
PAIRS = [
    ("No cat has moved it.", "No cat have moved it."),
    ("The dog didn’t sleep.", "The dog didn’t slept."),
    ("Who sat — the cat?", "Who sit — the cat?"),
    (". she said", "she said ."),
]
CHOICES = [
    ("who slept on the mat", ["the old dog", "the cat, she said", "no one"], 0),
    ("why did the cat move?", ["it didn't", "“the dog”"], 0),
    ("who said it", ["she", "the old cat and the old dog"], 1),
    ("who sat", ["no dog", "no cat has sat"], 1),
]
DOCUMENTS = [
    "The cat sat.\nIt didn’t move.",
    " ".join(["the old dog has moved the mat, and no one said why."] * 20),
]
TASKS = {
    "local_blimp": {
        "output_type": "multiple_choice",
        "doc_to_text": "",
        "doc_to_target": 0,
        "doc_to_choice": "{{[sentence_good, sentence_bad]}}",
        "num_fewshot": 0,
        "metric_list": [{"metric": "acc"}],
    },
    "local_choice": {
        "output_type": "multiple_choice",
        "doc_to_text": "question: {{question}}\nanswer:",
        "doc_to_target": "{{label}}",
        "doc_to_choice": "{{choices}}",
        "fewshot_split": "test",
        "fewshot_config": {"sampler": "first_n"},
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    },
    "local_words": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": "word_perplexity"}, {"metric": "bits_per_byte"}],
    },
}
ROWS = {
    "local_blimp": [{"sentence_good": good, "sentence_bad": bad} for good, bad in PAIRS],
    "local_choice": [{"question": q, "choices": c, "label": t} for q, c, t in CHOICES],
    "local_words": [{"text": text} for text in DOCUMENTS],
}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """A folder with the tasks' files, as `--include_path` takes it: no task needs a network."""
    folder = tmp_path_factory.mktemp("tasks")
    for name, task in TASKS.items():
        rows = folder / f"{name}.jsonl"
        rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS[name]))
        config = task | {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {
                "data_files": {"test": str(rows)},
                "cache_dir": str(folder / "cache"),
            },
            "test_split": "test",
        }
        (folder / f"{name}.yaml").write_text(json.dumps(config))  # JSON is YAML
    return folder


def evaluate(tasks, model, arguments, name, **options):
    """The harness's results of one task: its scores, and its samples."""
    found = lm_eval.simple_evaluate(
        model=model,
        model_args=arguments,
        tasks=[name],
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        device="cpu",
        bootstrap_iters=0,
        **options,
    )
    return found["results"][name], sorted(found["samples"][name], key=lambda each: each["doc_id"])


@pytest.fixture(params=["gpt1", "hf"])
def run(request, tasks, directory):
    """Evaluate by our model, or by the harness's own with our tokenizer."""
    arguments = {"pretrained": str(directory)}
    if request.param == "hf":
        pytest.importorskip("accelerate", reason="accelerate is not installed (gpt1[eval])")
        arguments |= {"trust_remote_code": True, "dtype": "float32"}

    def run(name, **options):
        return evaluate(tasks, request.param, arguments, name, **options)

    return run


def likelihoods(samples):
    return [[float(answer[0][0]) for answer in sample["resps"]] for sample in samples]


def test_blimp_has_the_likelihoods_and_the_score_of_the_stage_zero_shot(run, directory):
    scores, samples = run("local_blimp")
    examples = [Example("test", str(n), "", None, pair, 0.0) for n, pair in enumerate(PAIRS[:3])]
    ours = ZeroShotTask(
        Task("blimp", "multiple_choice", ("accuracy",)), examples, BPETokenizer.load(directory)
    )
    questions = [question for [question] in ours.questions]
    expected = [
        [scores.sum() for scores in each]
        for each in log_probabilities(load_model(directory), questions)
    ]
    np.testing.assert_allclose(likelihoods(samples)[:3], expected, atol=1e-5)
    correct = [good > bad for good, bad in likelihoods(samples)]
    assert scores["acc,none"] == np.mean(correct)
    assert ours.score(load_model(directory))["score"] == pytest.approx(100 * np.mean(correct[:3]))


@pytest.mark.parametrize("name", ["gpt1", "hf"])
def test_a_fine_tuned_directory_has_the_likelihoods_of_its_network(
    name, tasks, directory, tmp_path
):
    task = Task("cats", "classification", ("accuracy",), ("no", "yes"))
    tokenizer = BPETokenizer.load(directory)
    tuned = TaskModel.from_pretrained(load_model(directory), task, tokenizer, 0.1)
    tuned.save(tmp_path)
    arguments = {"pretrained": str(tmp_path)}
    if name == "hf":
        pytest.importorskip("accelerate", reason="accelerate is not installed (gpt1[eval])")
        arguments |= {"trust_remote_code": True, "dtype": "float32"}
    _, samples = evaluate(tasks, name, arguments, "local_blimp")
    full_stop, *sentences = tokenizer.encode_batch([".", *(t for pair in PAIRS[:3] for t in pair)])
    questions = [Question(full_stop, [sentence]) for sentence in sentences]
    expected = [each.sum() for [each] in log_probabilities(tuned.network, questions)]
    np.testing.assert_allclose(np.ravel(likelihoods(samples)[:3]), expected, atol=1e-5)


@pytest.mark.parametrize("shots", [0, 2])
def test_a_multiple_choice_has_our_likelihoods_with_and_without_examples(run, directory, shots):
    _, samples = run("local_choice", num_fewshot=shots)
    encode, model = BPETokenizer.load(directory).encode, load_model(directory)
    for sample, (_, choices, _), found in zip(samples, CHOICES, likelihoods(samples), strict=True):
        context = sample["arguments"][0][0]
        assert context.count("question:") == shots + 1
        question = Question(encode(context), [*map(encode, choices)])
        [expected] = log_probabilities(model, [question])
        np.testing.assert_allclose(found, [each.sum() for each in expected], atol=1e-5)


def test_perplexity_by_words_predicts_every_token_once_with_all_the_context_there_is(
    run, directory
):
    scores, samples = run("local_words")
    tokenizer, model = BPETokenizer.load(directory), load_model(directory)
    context, total = model.config.context, 0.0
    for text, [[found]] in zip(DOCUMENTS, likelihoods_of_texts(samples), strict=True):
        ids = torch.tensor([*tokenizer.encode("."), *tokenizer.encode(text)])
        expected, done = 0.0, 0
        while done < len(ids) - 1:
            end = min(done + context, len(ids) - 1)
            start = max(end - context, 0)
            with torch.no_grad():
                each = model(ids[None, start:end])[0].log_softmax(-1)
            wanted = each[range(end - start), ids[start + 1 : end + 1]]
            expected += wanted[done - start :].sum().item()
            done = end
        assert found == pytest.approx(expected, abs=2e-4)  # a sum of more than 200 terms
        total += expected
    assert max(len(tokenizer.encode(text)) for text in DOCUMENTS) > 2 * context
    words = sum(len(text.split()) for text in DOCUMENTS)
    assert scores["word_perplexity,none"] == pytest.approx(np.exp(-total / words), rel=1e-5)


def likelihoods_of_texts(samples):
    return [[[float(np.ravel(answer)[0])] for answer in sample["resps"]] for sample in samples]


def test_greedy_text_is_what_the_harness_generates_with_our_tokenizer(directory):
    pytest.importorskip("accelerate", reason="accelerate is not installed (gpt1[eval])")
    from lm_eval.models.huggingface import HFLM

    theirs = HFLM(str(directory), device="cpu", trust_remote_code=True, dtype="float32")
    ours = GPT1Model(str(directory), device="cpu")
    prompts = ["the cat", "who", "the dog", "no dog has moved"]

    def written(model, *stops):
        options = {"until": [*stops], "max_gen_toks": 12}
        asked = [(prompt, dict(options)) for prompt in prompts]
        return model.generate_until(
            [Instance("generate_until", {}, each, n) for n, each in enumerate(asked)]
        )

    whole = written(ours)
    stop = whole[0][4:7]
    assert whole == written(theirs)
    assert written(ours, stop.upper()) == written(theirs, stop)
    assert written(ours, stop.upper())[0] == whole[0][: whole[0].index(stop)]


def test_a_checkpoint_is_scored_with_the_vocabulary_of_its_model(directory, tmp_path):
    load_model(directory).save(tmp_path)
    request = Instance("loglikelihood", {}, ("the cat", " sat"), 0)
    [found] = GPT1Model(str(tmp_path), str(directory), device="cpu").loglikelihood([request])
    assert [found] == GPT1Model(str(directory), device="cpu").loglikelihood([request])


def test_the_lstm_is_scored_too(directory, tmp_path):
    tokenizer = BPETokenizer.load(directory)
    model = LSTM(LSTMConfig(vocab=len(tokenizer), layers=1, width=16, context=64, dropout=0.1))
    model.save(tmp_path)
    tokenizer.save(tmp_path)
    request = Instance("loglikelihood", {}, ("the cat", " sat"), 0)
    [(found, _)] = GPT1Model(str(tmp_path), device="cpu").loglikelihood([request])
    question = Question(tokenizer.encode("the cat"), [tokenizer.encode("sat")])
    assert found == pytest.approx(log_probabilities(model, [question])[0][0].sum(), abs=1e-5)


def test_the_most_probable_continuation_is_greedy_and_no_other(directory):
    model = GPT1Model(str(directory), device="cpu")
    prompt = model.tok_encode("the old dog")
    with torch.no_grad():
        logits = model.network(torch.tensor([prompt]))[0, -1]
    best = int(logits.argmax())
    asked = [(None, prompt, [id]) for id in range(len(model.tokenizer))]
    answers = model._loglikelihood_tokens(asked)
    assert [id for id, (_, greedy) in enumerate(answers) if greedy] == [best]


def test_what_cannot_be_scored_or_is_no_option_is_said_in_a_line(directory):
    model = GPT1Model(str(directory), device="cpu")
    with pytest.raises(UserError, match="has no tokens"):
        model.loglikelihood([Instance("loglikelihood", {}, ("the cat", "\n"), 0)])
    with pytest.raises(UserError, match="num_beams is no option"):
        model.generate_until([Instance("generate_until", {}, ("the cat", {"num_beams": 2}), 0)])


@pytest.mark.slow  # the command reads the descriptions of all its own tasks
def test_the_harness_finds_the_model_by_its_entry_point_and_by_our_command(
    tasks, directory, tmp_path
):
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    [(name, value)] = declared["lm_eval.models"].items()
    assert name == "gpt1"
    assert EntryPoint(name, value, "lm_eval.models").load() is GPT1Model
    command = (
        f"-m gpt1.harness --model gpt1 --model_args pretrained={directory} --tasks local_blimp "
        f"--include_path {tasks} --output_path {tmp_path / 'out.json'}"
    )
    subprocess.run([sys.executable, *command.split()], check=True, cwd=tmp_path, env=os.environ)
    [file] = tmp_path.glob("out*.json")
    assert "acc,none" in json.loads(file.read_text())["results"]["local_blimp"]


@pytest.mark.slow
def test_a_hub_that_cannot_be_reached_is_one_line_and_the_help_names_the_model(directory, tmp_path):
    there = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}

    def run(arguments):
        command = [sys.executable, "-m", "gpt1.harness", *arguments.split()]
        options = {"env": os.environ | there, "capture_output": True, "text": True}
        return subprocess.run(command, cwd=tmp_path, check=False, **options)

    done = run(f"--model gpt1 --model_args pretrained={directory} --tasks blimp_causative")
    assert done.returncode == 1
    assert "error: Couldn't reach 'nyu-mll/blimp' on the Hub" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "--model gpt1" in run("--help").stdout


def test_a_gpt2_is_scored_and_continued_in_its_own_ids(tmp_path):
    """As the harness does it with `transformers`' network and tokenizer, which it asks for both."""
    from lm_eval.models.huggingface import HFLM
    from transformers import GPT2Config, GPT2LMHeadModel

    train_vocabulary(tmp_path)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=330, n_positions=64, n_embd=32, n_layer=2, n_head=4)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    ours = GPT1Model(str(tmp_path), device="cpu")
    theirs = HFLM(str(tmp_path), device="cpu", batch_size=1)
    pairs = [("The old man sat", " by the sea"), ("The sea was", " calm."), ("Why?", " He’d said")]
    asked = [Instance("loglikelihood", {}, pair, index) for index, pair in enumerate(pairs)]
    found, expected = (model.loglikelihood(asked) for model in (ours, theirs))
    np.testing.assert_allclose([f[0] for f in found], [e[0] for e in expected], atol=1e-4)
    options = {"until": ["The"], "max_gen_toks": 12}
    asked = [Instance("generate_until", {}, ("The old man", options), 0)]
    [text], [other] = (model.generate_until(asked) for model in (ours, theirs))
    assert text == other.split("\n")[0].removeprefix(" ")
