"""Every token is predicted once, with the context that the stride promises."""

from __future__ import annotations

import pytest
import torch
from conftest import random_ids, random_model
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.evaluation import (
    check_window,
    continuation_likelihoods,
    sliding_windows,
    text_likelihood,
)


@given(st.integers(0, 40), st.integers(2, 12), st.data())
def test_windows_predict_every_token_once(length, window, data):
    stride = data.draw(st.integers(1, window))
    ids = list(range(1, length + 1))  # every token is the one after the one before
    predicted = []
    for number, (inputs, targets) in enumerate(sliding_windows(ids, 0, window, stride)):
        assert len(inputs) == (window if number else min(window, length))
        assert inputs == list(range(targets[-1] - len(inputs), targets[-1]))
        if number:
            assert len(inputs) - len(targets) >= window - stride
        predicted += targets
    assert predicted == ids


def test_a_text_equals_the_sum_of_its_next_token_log_probabilities():
    model = random_model()
    ids = random_ids(model.config, 1, 20)[0].tolist()
    with torch.no_grad():
        whole = torch.tensor([[model.config.eos_token_id, *ids]])
        log_p = model(whole)[0, :-1].log_softmax(-1)
    expected = log_p[torch.arange(20), torch.tensor(ids)].sum().item()
    found = text_likelihood(model, ids)
    assert found.nats == pytest.approx(expected, abs=1e-4)
    assert (found.tokens, found.greedy) == (20, False)


def test_stride_1_gives_every_token_the_full_window():
    model = random_model()
    ids = random_ids(model.config, 1, 14)[0].tolist()
    stream = [model.config.eos_token_id, *ids]
    pairs = [
        (stream[max(0, end - 8) : end], [stream[end]]) for end in range(1, len(stream))
    ]
    one_by_one = continuation_likelihoods(model, pairs, window=8)
    found = text_likelihood(model, ids, window=8, stride=1)
    assert found.nats == pytest.approx(sum(one.nats for one in one_by_one), abs=1e-4)
    assert found.nats != pytest.approx(text_likelihood(model, ids, window=8).nats)


def test_continuations_in_a_batch_equal_those_alone():
    model = random_model()
    ids = random_ids(model.config, 3, 12).tolist()
    pairs = [(ids[0][:9], ids[0][9:]), (ids[1][:2], ids[1][2:5]), ([], ids[2][:1])]
    together = continuation_likelihoods(model, pairs)
    for pair, found in zip(pairs, together, strict=True):
        alone = continuation_likelihoods(model, [pair])[0]
        assert found.nats == pytest.approx(alone.nats, abs=1e-4)
        assert found.greedy == alone.greedy


def test_greedy_is_true_for_what_the_model_writes():
    from gpt2course.generation import generate

    model = random_model()
    context = random_ids(model.config, 1, 5)[0].tolist()
    new = generate(model, context, 4, stop_ids=())
    other = [(new[0] + 1) % model.config.vocab_size, *new[1:]]
    pairs = [(context, new), (context, other)]
    found = [found.greedy for found in continuation_likelihoods(model, pairs)]
    assert found == [True, False]


def test_a_long_context_loses_its_beginning():
    model = random_model()
    ids = random_ids(model.config, 1, 30)[0].tolist()
    long, short = continuation_likelihoods(
        model, [(ids[:28], ids[28:]), (ids[21:28], ids[28:])], window=8
    )
    assert long.nats == pytest.approx(short.nats, abs=1e-4)


@pytest.mark.parametrize(
    ("window", "stride", "message"),
    [
        (33, None, "window is 33; it must lie between 2 and the model's 32"),
        (1, None, "window is 1"),
        (8, 9, "stride is 9; it must lie between 1 and the window of 8"),
        (None, 0, "stride is 0"),
    ],
)
def test_windows_that_cannot_be(window, stride, message):
    if stride is not None:
        with pytest.raises(ValueError, match=message):
            list(sliding_windows(range(20), 0, window, stride))
    with pytest.raises(ValueError, match=message):
        check_window(32, window, stride)


def test_nothing_to_predict_is_refused():
    model = random_model()
    with pytest.raises(ValueError, match="no tokens"):
        text_likelihood(model, [])
    with pytest.raises(ValueError, match="continuation has 0 tokens"):
        continuation_likelihoods(model, [([1, 2], [])])
    with pytest.raises(ValueError, match="continuation has 9 tokens"):
        continuation_likelihoods(model, [([1], [2] * 9)], window=8)
