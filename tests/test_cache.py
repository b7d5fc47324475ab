"""The KV cache: reading a text in pieces gives what reading it at once gives."""

from __future__ import annotations

import pytest
import torch
from conftest import TINY, random_ids, random_model
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.cache import KVCache

MODEL = random_model()


@given(
    pieces=st.lists(st.integers(1, 9), min_size=1, max_size=12).filter(
        lambda pieces: sum(pieces) <= 32
    )
)
def test_pieces_of_any_size_equal_the_whole(pieces):
    ids = random_ids(TINY, 2, sum(pieces))
    cache = KVCache(TINY, batch_size=2, max_length=sum(pieces))
    with torch.no_grad():
        parts = [MODEL(piece, cache=cache) for piece in ids.split(pieces, dim=1)]
        torch.testing.assert_close(
            torch.cat(parts, dim=1), MODEL(ids), atol=1e-5, rtol=0
        )
    assert cache.length == sum(pieces)


def test_more_than_there_is_room_for():
    cache = KVCache(TINY, max_length=6)
    with torch.no_grad():
        MODEL(random_ids(TINY, 1, 4), cache=cache)
        with pytest.raises(ValueError, match="7 tokens do not fit in a cache of 6"):
            MODEL(random_ids(TINY, 1, 3), cache=cache)
        last = MODEL(
            random_ids(TINY, 1, 6)[:, 4:], cache=cache
        )  # the refusal changed nothing
        torch.testing.assert_close(
            last, MODEL(random_ids_of_both())[:, 4:], atol=1e-5, rtol=0
        )


def random_ids_of_both() -> torch.Tensor:
    return torch.cat((random_ids(TINY, 1, 4), random_ids(TINY, 1, 6)[:, 4:]), dim=1)


def test_more_than_the_model_reads():
    cache = KVCache(TINY)
    assert cache.max_length == TINY.n_positions
    with torch.no_grad():
        MODEL(random_ids(TINY, 1, 30), cache=cache)
        with pytest.raises(
            ValueError, match=r"33 tokens are more than .* 32 positions"
        ):
            MODEL(random_ids(TINY, 1, 3), cache=cache)


@pytest.mark.parametrize("max_length", [0, -1, 33])
def test_impossible_lengths(max_length):
    with pytest.raises(
        ValueError, match=f"max_length is {max_length}; the model reads 1 to 32 tokens"
    ):
        KVCache(TINY, max_length=max_length)


def test_update_returns_old_and_new():
    cache = KVCache(TINY, batch_size=2, max_length=5)
    k, v = torch.randn(2, 2, TINY.n_head, 3, TINY.head_size)
    keys, values = cache.update(1, k, v)
    assert torch.equal(keys, k)
    assert torch.equal(values, v)
    cache.advance(3)
    keys, values = cache.update(1, v[:, :, :2], k[:, :, :2])
    assert torch.equal(keys, torch.cat((k, v[:, :, :2]), dim=2))
    assert torch.equal(values, torch.cat((v, k[:, :, :2]), dim=2))


def test_another_number_of_sequences_is_refused():
    cache = KVCache(TINY, batch_size=3)
    k = torch.zeros(1, TINY.n_head, 2, TINY.head_size)
    with pytest.raises(ValueError, match="1 sequences do not belong to a cache of 3"):
        cache.update(0, k, k)
    with pytest.raises(ValueError, match="1 rows for a cache of 3"):
        cache.reorder(torch.tensor([1]))
