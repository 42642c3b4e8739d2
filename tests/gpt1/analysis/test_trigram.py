import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt1.analysis.trigram import Trigram, trigram_loss
from gpt1.tokens.shards import Document

V = 4
IDS = st.lists(st.integers(0, V - 1), max_size=30)


def by_definition(documents, vocab):
    """P(c | a, b) of interpolated Kneser-Ney by dicts and loops; a None: nothing two before."""
    trigrams = Counter(t for ids in documents for t in zip(ids, ids[1:], ids[2:], strict=False))
    bigrams = Counter(t[1:] for t in trigrams)
    unigrams = Counter(t[1] for t in bigrams)

    def discount(counts):
        once, twice = (sum(n == times for n in counts.values()) for times in (1, 2))
        return once / (once + 2 * twice) if once else 0.0

    def order(counts, size):
        after = defaultdict(Counter)
        for ngram, count in counts.items():
            after[ngram[:size]][ngram[size]] = count
        return after, discount(counts)

    pairs, pair_discount = order(trigrams, 2)
    singles, single_discount = order(bigrams, 1)

    def probability(a, b, c):
        total, least = sum(unigrams.values()), discount(unigrams)
        p = 1 / vocab
        if total:
            p = max(unigrams[c] - least, 0) / total + least * len(unigrams) / total / vocab
        for after, less, context in (
            (singles, single_discount, (b,)),
            (pairs, pair_discount, (a, b)),
        ):
            if seen := after.get(context):
                total = sum(seen.values())
                p = max(seen[c] - less, 0) / total + less * len(seen) / total * p
        return p

    return probability


@settings(max_examples=60)
@given(st.lists(IDS, min_size=1, max_size=3), IDS)
def test_probabilities_are_those_of_the_definition(training, text):
    model = Trigram([np.array(ids, np.int64) for ids in training], V)
    probability = by_definition(training, V)
    found = model.probabilities(np.array(text, np.int64))
    contexts = [None, *text]
    expected = [probability(a, b, c) for a, b, c in zip(contexts, text, text[1:], strict=False)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@given(st.lists(IDS, min_size=1, max_size=3), st.integers(0, V - 1), st.integers(0, V - 1))
def test_probabilities_after_any_two_tokens_sum_to_one(training, a, b):
    model = Trigram([np.array(ids, np.int64) for ids in training], V)
    each = [model.probabilities(np.array([a, b, c]))[1] for c in range(V)]
    assert sum(each) == pytest.approx(1)


def test_no_trigram_crosses_two_documents():
    apart = Trigram([np.array([0, 1]), np.array([2, 3])], V)
    assert not len(apart.trigrams.keys)


def test_the_loss_is_the_mean_over_all_tokens_but_the_first_of_each_document():
    train = [Document("a", np.array([0, 1, 2, 0, 1, 2, 0, 1, 3]), 9)]
    valid = [Document("b", np.array([0, 1, 2]), 3), Document("c", np.array([2]), 1)]
    probability = by_definition([document.ids.tolist() for document in train], V)
    nats = -math.log(probability(None, 0, 1)) - math.log(probability(0, 1, 2))
    assert trigram_loss(train, valid, V) == pytest.approx(nats / 2)
    assert trigram_loss(train, valid[1:], V) == 0
