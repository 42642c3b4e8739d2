import numpy as np
import pytest
import torch

from gpt1.analysis.zero_shot import scoring
from gpt1.analysis.zero_shot.scoring import Question, log_probabilities
from gpt1.model.lstm import LSTM, LSTMConfig
from gpt1.model.transformer import GPT, GPTConfig

VOCABULARY, CONTEXT = 50, 24


@pytest.fixture(scope="module", params=["transformer", "lstm"])
def model(request):
    torch.manual_seed(0)
    sizes = {"vocab": VOCABULARY, "layers": 2, "width": 16, "context": CONTEXT, "dropout": 0.5}
    if request.param == "transformer":
        model = GPT(GPTConfig(heads=2, **sizes))
    else:
        model = LSTM(LSTMConfig(**sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)  # far from uniform
    return model


def random_questions(count, seed=0):
    random = np.random.default_rng(seed)

    def text(low, high):
        return random.integers(VOCABULARY, size=random.integers(low, high)).tolist()

    return [
        Question(text(1, 12), [text(1, 9) for _ in range(random.integers(1, 5))])
        for _ in range(count)
    ]


def one_by_one(model, question):
    """Each continuation on its own behind its prefix, by the network's full logits."""
    model.eval()
    for continuation in question.continuations:
        text = torch.tensor([[*question.prefix, *continuation]])
        scores = model(text[:, :-1])[0].log_softmax(-1)
        start = len(question.prefix) - 1
        yield scores[range(start, text.shape[1] - 1), continuation].detach().numpy()


def assert_same(model, questions):
    for question, found in zip(questions, log_probabilities(model, questions), strict=True):
        for ours, alone in zip(found, one_by_one(model, question), strict=True):
            np.testing.assert_allclose(ours, alone, atol=2e-5)


def test_shared_prefixes_and_batches_give_what_each_text_gives_alone(model, monkeypatch):
    monkeypatch.setattr(scoring, "tokens_at_once", lambda device: 100)
    monkeypatch.setattr(scoring, "TOKENS_IN_SHARED_ROW", 100)
    monkeypatch.setattr(scoring, "LOGITS_AT_ONCE", 7)
    assert_same(model, random_questions(40))


def test_texts_that_begin_alike_are_read_from_where_they_part(monkeypatch, model):
    random = np.random.default_rng(3)
    beginnings = random.integers(VOCABULARY, size=(3, 6))
    texts = [[*random.choice(beginnings), *random.integers(3, size=4)] for _ in range(60)]
    questions = [Question([7], [list(map(int, text))]) for text in texts]
    assert_same(model, questions)
    if isinstance(model, GPT):
        read, states = [], GPT.states
        monkeypatch.setattr(
            GPT, "states", lambda self, *given: read.append(given[0]) or states(self, *given)
        )
        log_probabilities(model, questions)
        different = {tuple(text[:end]) for text in texts for end in range(len(text))}
        assert len(different) <= sum(tokens.numel() for tokens in read) < sum(map(len, texts)) / 2


def test_sentences_that_stand_alone_give_the_same(model):
    assert_same(model, [Question([3], [q.continuations[0]]) for q in random_questions(20)])


def test_a_prefix_loses_its_beginning_when_the_text_is_too_long(model):
    prefix, answers = list(range(40)), [[1, 2, 3], [4, 5, 6, 7]]
    fitted = Question(prefix[-(CONTEXT + 1 - 4) :], answers)
    long, short = log_probabilities(model, [Question(prefix, answers), fitted])
    for one, other in zip(long, short, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_continuation_as_long_as_the_context_follows_one_token_of_its_prefix(model):
    tokens = list(range(CONTEXT))
    [[long]] = log_probabilities(model, [Question([9, 8, 7], [[*tokens, 1, 2]])])
    [[fitted]] = log_probabilities(model, [Question([7], [tokens])])
    np.testing.assert_array_equal(long, fitted)
    assert len(long) == CONTEXT


def test_dropout_is_off_while_scoring(model):
    model.train()
    questions = random_questions(3)
    first, second = (log_probabilities(model, questions) for _ in range(2))
    np.testing.assert_array_equal(np.concatenate(first[0]), np.concatenate(second[0]))
