from collections.abc import Sequence
from functools import partial
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt1.tasks import inputs
from gpt1.tasks.inputs import LengthBatches, SpecialTokens, collate
from gpt1.tasks.table import Example, Shape, Task, as_table
from gpt1.tasks.tokenized import encode_texts, tokenize

START, DELIMITER, EXTRACT = 100, 101, 102
CONTEXT = 12


class Numbers:
    """A tokenizer for texts that are token ids already."""

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [list(map(int, text.split())) for text in texts]


def encode(
    shape: Shape,
    text: str,
    pair: str | None = None,
    choices: tuple[str, ...] | None = None,
    context: int = CONTEXT,
) -> inputs.Inputs:
    task = Task("t", shape, ("accuracy",), labels=("no", "yes"))
    examples = [Example("train", "0", text, pair, choices, 1.0)]
    tokens = tokenize(as_table(examples), partial(encode_texts, tokenizer=Numbers()), str)
    return inputs.arrange(task, examples, tokens, SpecialTokens(START, DELIMITER, EXTRACT), context)


def written(found: inputs.Inputs) -> list[list[int]]:
    return [sequence.tolist() for sequence in found.sequences[0]]


def test_the_special_tokens_follow_the_vocabulary() -> None:
    assert SpecialTokens.after(40478) == (40478, 40479, 40480)


def test_a_single_text_stands_between_start_and_extract() -> None:
    assert written(encode("classification", "1 2 3")) == [[100, 1, 2, 3, 102]]


def test_a_premise_and_its_hypothesis_are_delimited() -> None:
    assert written(encode("entailment", "1 2 3", "4 5")) == [[100, 1, 2, 3, 101, 4, 5, 102]]


@pytest.mark.parametrize("shape", ["similarity", "regression"])
def test_a_pair_without_order_is_read_both_ways(shape: Shape) -> None:
    assert written(encode(shape, "1 2 3", "4 5")) == [
        [100, 1, 2, 3, 101, 4, 5, 102],
        [100, 4, 5, 101, 1, 2, 3, 102],
    ]


def test_every_choice_follows_the_context_and_the_question() -> None:
    assert written(encode("multiple_choice", "1 2", "3", ("4 5", "6"))) == [
        [100, 1, 2, 3, 101, 4, 5, 102],
        [100, 1, 2, 3, 101, 6, 102],
    ]


def test_a_single_text_that_is_too_long_keeps_its_head() -> None:
    found = encode("classification", "1 2 3 4 5 6", context=6)
    assert written(found) == [[100, 1, 2, 3, 4, 102]]
    assert found.truncated == 1


def test_the_longer_side_of_a_pair_is_cut_until_both_fit() -> None:
    assert written(encode("entailment", "1 2 3 4 5 6 7", "8 9", context=9)) == [
        [100, 1, 2, 3, 4, 101, 8, 9, 102]
    ]
    assert written(encode("entailment", "8 9", "1 2 3 4 5 6 7", context=9)) == [
        [100, 8, 9, 101, 1, 2, 3, 4, 102]
    ]


def test_multiple_choice_cuts_the_context_and_keeps_question_and_choices() -> None:
    found = encode("multiple_choice", "1 2 3 4 5", "6", ("7 8", "9"), context=9)
    assert written(found) == [
        [100, 1, 2, 3, 6, 101, 7, 8, 102],
        [100, 1, 2, 3, 4, 6, 101, 9, 102],
    ]
    assert (found.truncated, found.truncated_choices) == (1, 0)


def test_a_choice_of_more_than_half_the_room_is_cut_and_counted() -> None:
    found = encode("multiple_choice", "1 2 3 4", None, ("5 6 7 8 9", "9"), context=9)
    assert written(found)[0] == [100, 1, 2, 3, 101, 5, 6, 7, 102]
    assert found.truncated_choices == 1


def test_what_fits_is_not_counted_as_cut() -> None:
    assert encode("classification", "1 2 3 4", context=6).truncated == 0


def brute_force_pair(first: list, second: list, room: int) -> tuple[list, list]:
    first, second = list(first), list(second)
    while len(first) + len(second) > room:
        (first if len(first) >= len(second) else second).pop()
    return first, second


@given(
    st.lists(st.integers(0, 9), max_size=20),
    st.lists(st.integers(0, 9), max_size=20),
    st.integers(2, 30),
)
def test_a_pair_is_cut_as_one_token_at_a_time_would_be(
    first: list[int], second: list[int], room: int
) -> None:
    kept = inputs._fit_pair(tuple(first), tuple(second), room)
    slow = brute_force_pair(first, second, room)
    assert sorted(map(len, kept)) == sorted(map(len, slow))
    if len(kept[0]) == len(slow[0]):  # of sides of equal length either may lose the odd token
        assert tuple(map(list, kept)) == slow


@given(
    st.sampled_from(["classification", "entailment", "similarity", "multiple_choice"]),
    st.lists(st.integers(0, 99), max_size=40),
    st.lists(st.integers(0, 99), max_size=40),
    st.integers(8, 32),
)
def test_no_sequence_exceeds_the_context_or_loses_a_special_token(
    shape: Shape, first: list[int], second: list[int], context: int
) -> None:
    one, two = (" ".join(map(str, ids)) for ids in (first, second))
    pair = None if shape == "classification" else two
    for sequence in written(encode(shape, one, pair, (one, two), context)):
        assert len(sequence) <= context
        assert (sequence[0], sequence[-1]) == (START, EXTRACT)
        assert sequence.count(DELIMITER) == (shape != "classification")


def test_a_batch_is_padded_to_its_longest_sequence_only() -> None:
    rows = [np.array([100, *range(length), 102], np.int32) for length in (1, 4, 2)]
    batch = collate(inputs.Inputs([[row] for row in rows], np.zeros(3), 0, 0), [0, 2])
    assert batch.tokens.tolist() == [[100, 0, 102, 0], [100, 0, 1, 102]]
    assert batch.lengths.tolist() == [3, 4]


def test_sequences_of_a_batch_know_their_example_and_choice() -> None:
    row = np.array([100, 1, 102], np.int32)
    batch = collate(inputs.Inputs([[row] * 2, [row] * 3], np.zeros(2), 0, 0), [1, 0])
    assert batch.example.tolist() == [0, 0, 0, 1, 1]
    assert batch.choice.tolist() == [0, 1, 2, 0, 1]


def epoch(batches: LengthBatches, number: int) -> list[Sequence[int]]:
    start = number * batches.in_epoch
    return [batches(start + place).tolist() for place in range(batches.in_epoch)]


def test_every_example_of_a_whole_batch_comes_once_an_epoch_and_epochs_differ() -> None:
    batches = LengthBatches(np.arange(1000) % 50, batch=32, seed=1)
    first, second = epoch(batches, 0), epoch(batches, 1)
    assert {len(batch) for batch in [*first, *second]} == {32}
    assert len({*chain(*first)}) == len({*chain(*second)}) == 31 * 32
    assert {*chain(*first)} != {*chain(*second)}, "others are left out"
    assert first != second


def test_fewer_examples_than_a_batch_are_one() -> None:
    assert sorted(LengthBatches(np.arange(5), batch=32, seed=1)(0)) == [0, 1, 2, 3, 4]


def test_batches_are_the_same_whichever_update_is_asked_first() -> None:
    lengths = np.arange(500) % 37
    one, other = (LengthBatches(lengths, batch=8, seed=3) for _ in range(2))
    epoch(one, 0)
    assert epoch(one, 1) == epoch(other, 1)


def test_examples_of_a_batch_are_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 2048)
    batches = LengthBatches(lengths, batch=32, seed=1)
    longest = [lengths[batch].max() for batch in epoch(batches, 0)]
    assert sum(longest) * 32 < 1.3 * lengths.sum()
    plain = np.random.default_rng(1).permutation(lengths).reshape(-1, 32).max(axis=1)
    assert sum(plain) * 32 > 1.7 * lengths.sum()


def test_few_examples_of_a_batch_meet_again_under_another_seed() -> None:
    lengths = np.random.default_rng(0).integers(3, 200, 2048)
    one, other = (
        {frozenset(pair) for batch in epoch(LengthBatches(lengths, 32, seed), 0)
         for pair in combinations(batch, 2)}
        for seed in (1, 2)
    )  # fmt: skip
    assert len(one & other) < 0.06 * len(one)
