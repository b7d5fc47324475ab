"""Packing loses no token and predicts none twice; documents in a row stay strangers."""

from __future__ import annotations

import pytest
import torch
from conftest import TINY, twins
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.data import (
    concatenate,
    document_mask,
    pack_sequences,
    rows_at,
    shuffled_stream,
)
from gpt2course.loss import IGNORE_INDEX

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
    assert not torch.equal(
        shuffled_stream(tokens, lengths, 1), shuffled_stream(tokens, lengths, 2)
    )


@given(
    length=st.integers(2, 200), n_rows=st.integers(1, 4), row_length=st.integers(1, 9)
)
def test_every_token_is_predicted_once_an_epoch(length, n_rows, row_length):
    stream = torch.arange(length)
    steps = (length - 1) // (n_rows * row_length)
    predicted = []
    for step in range(steps):
        rows = rows_at(stream, step, n_rows, row_length)
        assert rows.shape == (n_rows, row_length + 1)
        assert torch.equal(
            rows[:, :-1] + 1, rows[:, 1:]
        )  # what is read stands before what is predicted
        predicted += rows[:, 1:].flatten().tolist()
    assert predicted == list(range(1, 1 + steps * n_rows * row_length))
    with pytest.raises(
        ValueError, match=f"step {steps} needs tokens up to .*; the stream has {length}"
    ):
        rows_at(stream, steps, n_rows, row_length)


def test_nothing_to_pack():
    with pytest.raises(ValueError, match="no documents to pack"):
        concatenate([], EOS)


# ---- whole documents ------------------------------------------------------------

whole = st.lists(
    st.lists(st.integers(1, 98), min_size=2, max_size=12), min_size=1, max_size=30
)


@given(whole, st.integers(12, 40))
def test_every_document_lies_in_one_row_whole(documents, row_length):
    packed = pack_sequences(documents, row_length, pad_token_id=0)
    found = {}
    for ids, numbers, positions, labels in zip(
        packed.input_ids,
        packed.document_ids,
        packed.position_ids,
        packed.labels,
        strict=True,
    ):
        assert len(ids) == row_length
        for number in numbers.unique().tolist():
            here = numbers == number
            if number == -1:
                assert (ids[here] == 0).all()
                assert (labels[here] == IGNORE_INDEX).all()
                assert not here[: int((~here).sum())].any()  # padding stands at the end
                continue
            assert number not in found, "a document in two rows"
            found[number] = ids[here].tolist()
            assert positions[here].tolist() == list(range(len(found[number])))
            assert labels[here].tolist() == [IGNORE_INDEX, *found[number][1:]]
    assert found == dict(enumerate(documents))
    assert packed.num_label_tokens == sum(len(ids) - 1 for ids in documents)
    assert packed.token_fraction == pytest.approx(
        sum(map(len, documents)) / packed.input_ids.numel()
    )


def test_few_rows():
    documents = [
        [1] * n for n in (6, 2, 4, 5, 3, 4)
    ]  # 24 tokens: they fill three rows of 8 to the last place
    packed = pack_sequences(documents, 8)
    assert (len(packed), packed.token_fraction) == (3, 1.0)
    apart = [[1] * 5] * 4  # no two of them fit
    assert len(pack_sequences(apart, 8)) == 4


@given(whole)
def test_no_two_rows_could_be_one(documents):
    used = sorted(
        (row >= 0).sum().item() for row in pack_sequences(documents, 16).document_ids
    )
    assert len(used) == 1 or used[0] + used[1] > 16


def test_rows_can_be_chosen_and_lose_the_padding_they_share():
    packed = pack_sequences([[1] * 7, [2] * 5, [3] * 4], 8, pad_token_id=9)
    some = packed[torch.tensor([1, 2])]
    assert some.input_ids.tolist() == [[2, 2, 2, 2, 2], [3, 3, 3, 3, 9]]
    assert some.document_ids.tolist() == [[1] * 5, [2] * 4 + [-1]]
    assert packed[:].input_ids.shape == (3, 7)
    assert len(packed[:2]) == 2


def test_documents_longer_than_a_row():
    documents = [[1, 2], [1, 2, 3, 4, 5], [6, 7, 8], [1, 2, 3, 4]]
    says = "2 of 4 documents are longer than a row of 3 tokens, first document 1 with 5"
    with pytest.raises(ValueError, match=says):
        pack_sequences(documents, 3)
    cut, dropped = (
        pack_sequences(documents, 3, too_long=how) for how in ("cut", "drop")
    )
    assert cut.too_long == dropped.too_long == (1, 3)
    assert cut.input_ids[cut.document_ids == 1].tolist() == [1, 2, 3]
    assert set(dropped.document_ids.flatten().tolist()) == {0, 2, -1}


@pytest.mark.parametrize(
    ("documents", "options", "says"),
    [
        ([[1, 2]], {"row_length": 1}, "row_length is 1; a row needs at least 2 tokens"),
        (
            [[1, 2], [5]],
            {"row_length": 8},
            r"document 1 has 1 token\(s\); leave out what is shorter than 2",
        ),
        ([], {"row_length": 8}, "no document fits into a row of 8 tokens; pass some"),
        (
            [[1, 2, 3]],
            {"row_length": 2, "too_long": "drop"},
            "no document fits into a row of 2 tokens",
        ),
        (
            [[1, 2]],
            {"row_length": 8, "too_long": "split"},
            "too_long is 'split'; it must be 'error', 'cut' or 'drop'",
        ),
    ],
)
def test_what_cannot_be_packed(documents, options, says):
    with pytest.raises(ValueError, match=says):
        pack_sequences(documents, **options)


def test_the_mask_is_causal_within_a_document():
    mask = document_mask(torch.tensor([[4, 4, 7, 7, -1]]))
    assert mask.shape == (1, 1, 5, 5)
    assert mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 0, 1],
    ]


@pytest.mark.parametrize("attn_implementation", ["ours", "sdpa", "eager"])
def test_one_document_changed_moves_no_logit_of_another(attn_implementation):
    theirs, ours = twins(
        TINY, attn_implementation=attn_implementation.replace("ours", "sdpa")
    )

    def logits(packed):
        mask = document_mask(packed.document_ids)
        with torch.no_grad():
            if attn_implementation == "ours":
                return ours(
                    packed.input_ids, position_ids=packed.position_ids, mask=mask
                )
            if attn_implementation == "eager":  # it adds the mask to the scores
                mask = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf)
            return theirs(
                packed.input_ids, position_ids=packed.position_ids, attention_mask=mask
            ).logits

    generator = torch.Generator().manual_seed(0)
    documents = [
        torch.randint(1, 61, (n,), generator=generator).tolist() for n in (9, 8, 7, 6)
    ]
    packed = pack_sequences(documents, 32)
    assert len(packed) == 1
    before = logits(packed)
    for changed in range(4):
        other = [
            [61 - token for token in ids] if i == changed else ids
            for i, ids in enumerate(documents)
        ]
        after = logits(pack_sequences(other, 32))
        moved = (before != after).any(-1)
        assert torch.equal(moved, packed.document_ids == changed)
    for i, ids in enumerate(documents):  # and each is read as if it were alone
        with torch.no_grad():
            alone = ours(torch.tensor([ids]))[0]
        assert torch.allclose(before[packed.document_ids == i], alone, atol=1e-4)
