import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import matthews_corrcoef

from gpt1.analysis.zero_shot.task import ZeroShotTask, best_threshold
from gpt1.errors import UserError
from gpt1.model.transformer import GPT, GPTConfig
from gpt1.tasks.table import Example, Task

WORDS = ["_", ".", "very", "negative", "positive", "a", "b", "c", "d", "e", "f"]


class Words:
    """One id a word."""

    def continuing(self, text):
        return text

    def encode_batch(self, texts):
        return [[WORDS.index(word) for word in text.split()] for text in texts]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab=len(WORDS), layers=1, width=8, heads=2, context=16, dropout=0.0))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.5)
    return model.eval()


def log_probability(model, prefix, continuation):
    """Of each token of `continuation` after `prefix`."""
    ids = Words().encode_batch([f"{prefix} {continuation}"])[0]
    start = len(prefix.split())
    scores = model(torch.tensor([ids]))[0].log_softmax(-1).detach()
    return np.array([float(scores[i - 1, ids[i]]) for i in range(start, len(ids))])


def accuracy(found, answers, targets):
    assert found == pytest.approx(100 * np.mean(np.array(answers) == np.array(targets)))


def test_multiple_choice_is_answered_by_the_mean_token_log_probability(model):
    task = Task("race", "multiple_choice", ("accuracy",))
    rows = [
        ("a b", "c", ("d e f", "d", "a a"), 0.0),
        ("c", None, ("b", "e d c"), 1.0),
        ("", None, ("f", "a b b b"), 0.0),
    ]
    examples = [Example("test", str(i), *row) for i, row in enumerate(rows)]
    answers = [
        np.argmax([log_probability(model, f"{text or '.'} {pair or ''}", c).mean() for c in many])
        for text, pair, many, _ in rows
    ]
    probe = ZeroShotTask(task, examples, Words())
    accuracy(probe.score(model)["score"], answers, [row[3] for row in rows])
    assert probe.chance == pytest.approx(100 * (1 / 3 + 1 / 2 + 1 / 2) / 3)


def test_sentiment_is_the_likelier_pole_after_the_sentence_and_very(model):
    task = Task("sst2", "classification", ("accuracy",), labels=("negative", "positive"))
    texts = ["a", "b c", "d e f", "f f", "c"]
    examples = [Example("dev", str(i), text, target=1.0) for i, text in enumerate(texts)]
    answers = [
        log_probability(model, f"{text} very", "positive")
        > log_probability(model, f"{text} very", "negative")
        for text in texts
    ]
    accuracy(
        ZeroShotTask(task, examples, Words()).score(model)["score"],
        np.ravel(answers),
        [1] * len(texts),
    )


def test_a_referent_is_judged_by_what_follows_the_pronoun_alone(model):
    task = Task("dprd", "multiple_choice", ("accuracy",))
    rows = [("a b", "c d", ("e", "f a"), 0.0), ("", "a", ("b c d", "e"), 1.0)]
    examples = [Example("test", str(i), *row) for i, row in enumerate(rows)]
    answers = [
        np.argmax([log_probability(model, f"{before or '.'} {c}", after).mean() for c in choices])
        for before, after, choices, _ in rows
    ]
    accuracy(ZeroShotTask(task, examples, Words()).score(model)["score"], answers, [0, 1])


def test_of_a_minimal_pair_the_whole_sentence_counts_a_tie_half_and_each_field_apart(model):
    task = Task("blimp", "multiple_choice", ("accuracy",))
    pairs = [("a b", "a b c d", "syntax"), ("d e f a", "b", "syntax"), ("c c", "c c", "semantics")]
    examples = [
        Example("test", str(i), ".", None, (good, bad), 0.0, field)
        for i, (good, bad, field) in enumerate(pairs)
    ]
    sums = [[log_probability(model, ".", each).sum() for each in pair[:2]] for pair in pairs]
    right = [1.0 if good > bad else 0.5 if good == bad else 0.0 for good, bad in sums]
    assert right == [1.0, 0.0, 0.5], "the shorter sentence is likelier, and the last pair is a tie"
    found = ZeroShotTask(task, examples, Words()).score(model)
    assert found == {"score": 50.0, "score_semantics": 50.0, "score_syntax": 50.0}


def test_the_threshold_of_acceptability_is_chosen_on_train_alone(model):
    task = Task("cola", "classification", ("matthews",), labels=("no", "yes"))
    texts = [" ".join(np.random.default_rng(i).choice(WORDS[5:], 4)) for i in range(40)]
    scores = np.array([log_probability(model, ".", text).mean() for text in texts])
    split = ["train", "dev"] * 20
    targets = np.random.default_rng(1).integers(2, size=40).astype(float)
    examples = [
        Example(s, str(i), text, target=t)
        for i, (s, text, t) in enumerate(zip(split, texts, targets, strict=True))
    ]
    threshold = best_threshold(scores[::2], targets[::2] == 1)
    expected = 100 * matthews_corrcoef(targets[1::2], scores[1::2] > threshold)
    probe = ZeroShotTask(task, examples, Words())
    assert probe.score(model)["score"] == pytest.approx(expected, abs=1e-6)
    assert probe.chance == 0  # of Matthews' coefficient, not one over the number of labels


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=12))
def test_no_other_threshold_agrees_better(pairs):
    scores = np.array([float(score) for score, _ in pairs])
    positive = np.array([label for _, label in pairs])

    def agreement(threshold):
        return matthews_corrcoef(positive, scores > threshold)

    every = [*(np.unique(scores) - 0.5), scores.max() + 0.5]
    assert agreement(best_threshold(scores, positive)) == pytest.approx(max(map(agreement, every)))


def test_scores_are_normalised_between_chance_and_the_ceiling(model):
    task = Task("story_cloze", "multiple_choice", ("accuracy",))
    probe = ZeroShotTask(task, [Example("test", "0", "a", None, ("b", "c"), 0.0)], Words())
    assert probe.normalised(50.0) == 0.0
    assert probe.normalised(77.6) == pytest.approx(1.0)


def test_test_is_scored_where_it_has_labels_and_dev_elsewhere():
    task = Task("race", "multiple_choice", ("accuracy",))
    dev = Example("dev", "0", "a", None, ("b", "c"), 0.0)
    test = Example("test", "0", "a", None, ("b", "c"), None)
    assert ZeroShotTask(task, [dev, test], Words()).split == "dev"
    labelled = Example("test", "0", "a", None, ("b", "c"), 1.0)
    assert ZeroShotTask(task, [dev, labelled], Words()).split == "test"
    with pytest.raises(UserError, match="race"):
        ZeroShotTask(task, [test], Words())


def test_an_empty_text_that_would_be_scored_is_one_line_that_names_it():
    task = Task("race", "multiple_choice", ("accuracy",))
    rows = [Example("dev", "7", "a b", "c", ("d", ""), 0.0)]
    with pytest.raises(UserError, match="race, dev example 7: a text to be scored is empty"):
        ZeroShotTask(task, rows, Words())


def test_a_task_without_a_heuristic_is_one_clear_line():
    task = Task("mrpc", "similarity", ("f1",), labels=("no", "yes"))
    with pytest.raises(UserError, match=r"zero_shot\.tasks names mrpc, for which"):
        ZeroShotTask(task, [Example("dev", "0", "a", "b", None, 1.0)], Words())
