"""Packing loses no token and predicts none twice."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.packing import concatenate, rows_at, shuffled_stream

EOS = 99
documents = st.lists(st.lists(st.integers(0, 98), max_size=8), min_size=1, max_size=12)


def texts(tokens: torch.Tensor) -> list[list[int]]:
    """Cut a stream behind every end of text."""
    result: list[list[int]] = [[]]
    for token in tokens.tolist():
        result[-1].append(token)
        if token == EOS:
            result.append([])
    assert result.pop() == []
    return result


@given(documents)
def test_concatenate(documents):
    tokens, lengths = concatenate(documents, EOS)
    assert tokens.dtype == lengths.dtype == torch.int64
    assert texts(tokens) == [[*ids, EOS] for ids in documents]
    assert lengths.tolist() == [len(ids) + 1 for ids in documents]


@given(documents, st.integers(0, 2**40))
def test_a_shuffle_keeps_every_text_whole(documents, seed):
    tokens, lengths = concatenate(documents, EOS)
    stream = shuffled_stream(tokens, lengths, seed)
    assert sorted(texts(stream)) == sorted(texts(tokens))
    assert torch.equal(stream, shuffled_stream(tokens, lengths, seed))


def test_seeds_differ():
    tokens, lengths = concatenate([[i] for i in range(50)], EOS)
    assert not torch.equal(shuffled_stream(tokens, lengths, 1), shuffled_stream(tokens, lengths, 2))


@given(length=st.integers(2, 200), n_rows=st.integers(1, 4), row_length=st.integers(1, 9))
def test_every_token_is_predicted_once_an_epoch(length, n_rows, row_length):
    stream = torch.arange(length)
    steps = (length - 1) // (n_rows * row_length)
    predicted = []
    for step in range(steps):
        rows = rows_at(stream, step, n_rows, row_length)
        assert rows.shape == (n_rows, row_length + 1)
        assert torch.equal(rows[:, :-1] + 1, rows[:, 1:])  # what is read stands before what is predicted
        predicted += rows[:, 1:].flatten().tolist()
    assert predicted == list(range(1, 1 + steps * n_rows * row_length))
    with pytest.raises(ValueError, match=f"step {steps} needs tokens up to .*; the stream has {length}"):
        rows_at(stream, steps, n_rows, row_length)


def test_nothing_to_pack():
    with pytest.raises(ValueError, match="no documents to pack"):
        concatenate([], EOS)
