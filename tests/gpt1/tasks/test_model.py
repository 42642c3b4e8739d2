from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from ruamel.yaml import YAML
from torch import nn

from gpt1 import params
from gpt1.errors import UserError
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tasks.finetuning import finetune
from gpt1.tasks.inputs import Inputs, collate
from gpt1.tasks.model import TaskModel
from gpt1.tasks.table import Example, Shape, Task
from gpt1.tokens.bpe import BPETokenizer

LABELS = ("no", "yes", "maybe")
TEXTS = ["the dog ran home.", "the cat sat still on the mat.", "a dog and a cat."]


@pytest.fixture(scope="module")
def tokenizer() -> BPETokenizer:
    return BPETokenizer.train(TEXTS, merges=8)


def task_model(tokenizer: BPETokenizer, shape: Shape, dropout: float = 0.0) -> TaskModel:
    torch.manual_seed(1)
    config = GPTConfig(
        vocab=len(tokenizer) + 3, layers=2, width=8, heads=2, context=40, dropout=dropout
    )
    labels = () if shape in ("regression", "multiple_choice") else LABELS
    task = Task("t", shape, ("accuracy",), labels)
    model = TaskModel(GPT(config), task, tokenizer, dropout)
    nn.init.normal_(model.head.weight)
    return model.eval()


def examples(shape: Shape) -> list[Example]:
    if shape == "classification":
        return [Example("train", str(n), text, target=n) for n, text in enumerate(TEXTS)]
    if shape == "multiple_choice":
        sets = [(TEXTS[0], TEXTS[1]), (TEXTS[2], TEXTS[0], TEXTS[1])]
        return [Example("train", "0", t, None, s, 1) for t, s in zip(TEXTS, sets, strict=False)]
    return [Example("train", str(n), text, TEXTS[n - 1], target=n) for n, text in enumerate(TEXTS)]


SHAPES: list[Shape] = [
    "classification",
    "entailment",
    "similarity",
    "regression",
    "multiple_choice",
]


def plain_loss(model: TaskModel, inputs: Inputs, auxiliary: float) -> torch.Tensor:
    """The paper's loss, one sequence at a time: no padding, no batches, full logits."""
    task_losses, language_losses = [], []
    for sequences, target in zip(inputs.sequences, inputs.targets, strict=True):
        extracts = []
        for sequence in sequences:
            tokens = torch.from_numpy(sequence).long()[None]
            states = model.network.states(tokens)[0]
            logits = states @ model.network.tokens.weight.T
            language_losses.append((F.cross_entropy(logits[:-1], tokens[0, 1:]), len(sequences)))
            extracts.append(states[-1])
        if model.task.shape == "multiple_choice":
            scores = torch.cat([model.head(extract) for extract in extracts])
        else:
            scores = model.head(sum(extracts[1:], extracts[0]))
        if model.task.shape == "regression":
            task_losses.append((scores[0] - target) ** 2)
        else:
            task_losses.append(F.cross_entropy(scores[None], torch.tensor([int(target)])))
    language = sum(loss / siblings for loss, siblings in language_losses) / len(task_losses)
    return sum(task_losses) / len(task_losses) + auxiliary * language


@pytest.mark.parametrize("shape", SHAPES)
def test_the_loss_of_a_padded_batch_is_that_of_its_sequences_one_by_one(
    tokenizer: BPETokenizer, shape: Shape
) -> None:
    model = task_model(tokenizer, shape)
    inputs = model.encode(examples(shape))
    batch = collate(inputs, range(len(inputs.sequences)))
    found = model.loss(batch, auxiliary=0.5)
    assert found.item() == pytest.approx(plain_loss(model, inputs, 0.5).item(), abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_parts_of_an_update_add_up_to_its_loss(tokenizer: BPETokenizer, shape: Shape) -> None:
    model = task_model(tokenizer, shape)
    inputs = model.encode(examples(shape))
    count = len(inputs.sequences)
    whole = model.loss(collate(inputs, range(count)), 0.5)
    parts = [model.loss(collate(inputs, [n], update_examples=count), 0.5) for n in range(count)]
    assert sum(parts).item() == pytest.approx(whole.item(), abs=1e-5)


def test_start_is_never_a_target_and_extract_is(tokenizer: BPETokenizer) -> None:
    model = task_model(tokenizer, "classification")
    seen = []
    model.network.loss = lambda _, targets, weights: seen.append(targets) or weights.sum()
    inputs = model.encode(examples("classification"))
    model.loss(collate(inputs, [0, 1, 2]), 0.5)
    start, _, extract = range(len(tokenizer), len(tokenizer) + 3)
    assert start not in seen[0]
    assert (seen[0] == extract).sum() == 3
    assert len(seen[0]) == sum(len(each[0]) - 1 for each in inputs.sequences)


def test_both_orders_of_a_pair_give_one_answer(tokenizer: BPETokenizer) -> None:
    model = task_model(tokenizer, "similarity")
    one, other = TEXTS[:2]
    first, second = model.predict(
        [{"text": one, "text_pair": other}, {"text": other, "text_pair": one}]
    )
    assert first["probabilities"] == pytest.approx(second["probabilities"])


def test_the_choices_of_a_question_share_one_dropout_mask(tokenizer: BPETokenizer) -> None:
    model = task_model(tokenizer, "multiple_choice", dropout=0.5)
    twice = [Example("train", "0", TEXTS[0], None, (TEXTS[1], TEXTS[1]), 0)]
    batch = collate(model.encode(twice), [0])
    model.dropout.train()
    for _ in range(5):
        scores, _ = model(batch)
        assert scores[0, 0].item() == pytest.approx(scores[0, 1].item())
    assert not torch.allclose(model(batch)[0], scores)  # and the next batch has another


def test_a_choice_that_is_not_there_has_no_probability(tokenizer: BPETokenizer) -> None:
    model = task_model(tokenizer, "multiple_choice")
    inputs = model.encode(examples("multiple_choice"))
    scores, _ = model(collate(inputs, [0, 1]))
    assert scores.softmax(1)[0, 2] == 0
    found = model.scores(inputs)
    assert [len(found[place]) for place in (0, 1)] == [2, 3]


@pytest.mark.parametrize("shape", SHAPES)
def test_predictions_do_not_depend_on_the_other_rows(tokenizer: BPETokenizer, shape: Shape) -> None:
    model = task_model(tokenizer, shape)
    inputs = model.encode(examples(shape))
    together = model.scores(inputs)
    for place, example in enumerate(examples(shape)):
        alone = model.scores(model.encode([example]))[0]
        assert np.allclose(alone, together[place], atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_saved_model_answers_as_before(
    tokenizer: BPETokenizer, shape: Shape, tmp_path: Path
) -> None:
    model = task_model(tokenizer, shape)
    rows = [
        {"text": e.text, "text_pair": e.text_pair, "choices": e.choices} for e in examples(shape)
    ]
    model.save(tmp_path / "m")
    assert TaskModel.load(tmp_path / "m").predict(rows) == model.predict(rows)


def test_a_pretrained_network_gains_three_rows_and_keeps_the_others(
    tokenizer: BPETokenizer,
) -> None:
    config = GPTConfig(vocab=len(tokenizer), layers=1, width=8, heads=2, context=16, dropout=0.1)
    network = GPT(config)
    before = network.tokens.weight.clone()
    task = Task("t", "classification", ("accuracy",), LABELS)
    model = TaskModel.from_pretrained(network, task, tokenizer, dropout=0.1)
    assert len(model.network.tokens.weight) == len(tokenizer) + 3
    assert torch.equal(model.network.tokens.weight[:-3], before)
    assert model.head.bias.tolist() == [0, 0, 0]


def test_predict_answers_in_the_order_of_the_rows_with_labels(tokenizer: BPETokenizer) -> None:
    model = task_model(tokenizer, "classification")
    forth, back = model.predict(TEXTS), model.predict(TEXTS[::-1])
    for one, other in zip(forth, back[::-1], strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"])
    assert forth[0]["label"] == max(LABELS, key=forth[0]["probabilities"].get)
    assert sum(forth[0]["probabilities"].values()) == pytest.approx(1)


def test_a_row_without_what_the_task_needs_is_named(tokenizer: BPETokenizer) -> None:
    model = task_model(tokenizer, "entailment")
    with pytest.raises(UserError, match="row 2: t needs text, text_pair, and text_pair is missing"):
        model.predict([{"text": "a", "text_pair": "b"}, {"text": "a"}])


def test_a_model_directory_without_a_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not a fine-tuned model: task\.json is missing"):
        TaskModel.load(tmp_path)


@pytest.mark.parametrize("name", ["head.safetensors", "task.json", "config.json"])
def test_a_damaged_model_directory_is_one_line(
    tokenizer: BPETokenizer, tmp_path: Path, name: str
) -> None:
    task_model(tokenizer, "classification").save(tmp_path)
    whole = (tmp_path / name).read_text("latin-1")
    harmed = whole.replace('"n_embd": ', '"n_embd": 2') if name == "config.json" else whole[:20]
    (tmp_path / name).write_text(harmed, "latin-1")
    with pytest.raises(UserError, match=str(tmp_path)) as error:
        TaskModel.load(tmp_path)
    assert "\n" not in str(error.value)


def test_a_task_without_training_examples_cannot_be_fine_tuned(
    tokenizer: BPETokenizer, tmp_path: Path
) -> None:
    model = task_model(tokenizer, "multiple_choice")
    shipped = YAML(typ="safe").load(Path(__file__).parents[3] / "params.yaml")
    recipe = params.parse(params.Finetune, shipped["finetune"]["book"], "finetune.book")
    with pytest.raises(UserError, match="task t has no training examples"):
        finetune(model, model.encode([]), recipe, seed=1, state=tmp_path / "state", title="t")
