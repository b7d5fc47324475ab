"""The loss against torch and transformers.

Texts of any length, every token paid for once.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from conftest import TINY, random_ids, random_model, twins
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2course.loss import (
    IGNORE_INDEX,
    TextLoss,
    _windows,
    cross_entropy,
    shift,
    text_loss,
    token_losses,
)

MODEL = random_model()
EOS = TINY.eos_token_id


def test_loss_equals_transformers():
    theirs, ours = twins(TINY)
    ids = random_ids(TINY, 3, 17)
    labels = ids.clone()
    labels[0, 9:] = labels[2, :4] = IGNORE_INDEX
    with torch.no_grad():
        expected = theirs(ids, labels=labels).loss
        torch.testing.assert_close(cross_entropy(*shift(ours(ids), labels)), expected)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_equals_torch(reduction):
    logits, targets = torch.randn(4, 6, 11), torch.randint(11, (4, 6))
    targets[1, 2:] = IGNORE_INDEX
    expected = F.cross_entropy(logits.transpose(1, 2), targets, reduction=reduction)
    torch.testing.assert_close(cross_entropy(logits, targets, reduction), expected)


def test_cross_entropy_is_computed_in_float32():
    logits = torch.full(
        (1, 2, 300), 100.0
    ).half()  # exp(100) is infinite in half precision
    assert cross_entropy(logits, torch.tensor([[0, 1]])).item() == pytest.approx(
        math.log(300), rel=1e-6
    )


def test_equal_scores_cost_the_logarithm_of_the_vocabulary():
    assert cross_entropy(
        torch.zeros(1, 5, 50257), torch.arange(5)[None]
    ).item() == pytest.approx(math.log(50257))


def test_shift():
    logits, labels = torch.randn(2, 5, 7), torch.arange(10).view(2, 5)
    rows, targets = shift(logits, labels)
    assert torch.equal(rows, logits[:, :4])
    assert targets.tolist() == [[1, 2, 3, 4], [6, 7, 8, 9]]
    with pytest.raises(ValueError, match="a loss needs at least two tokens"):
        shift(logits[:, :1], labels[:, :1])
    with pytest.raises(
        ValueError, match=r"labels \(2, 4\) do not match logits \(2, 5, 7\)"
    ):
        shift(logits, labels[:, :4])


@given(n=st.integers(0, 60), window=st.integers(1, 20), data=st.data())
def test_windows_score_every_token_once(n, window, data):
    stride = data.draw(st.integers(1, window))
    ids = list(range(n))
    scored: list[int] = []
    for number, (inputs, targets) in enumerate(_windows(ids, EOS, window, stride)):
        assert len(inputs) == len(targets) <= window
        fresh = [
            (i, target) for i, target in enumerate(targets) if target != IGNORE_INDEX
        ]
        assert fresh
        for i, target in fresh:
            before = inputs[: i + 1]
            assert (
                before == [EOS, *ids][len(scored) + 1 - len(before) : len(scored) + 1]
            )  # what really stood before it
            assert number == 0 or len(before) > window - stride  # and enough of it
            scored.append(target)
    assert scored == [*ids, EOS]


def direct(ids: list[int]) -> float:
    """Nats of one short text, without windows or batches."""
    with torch.no_grad():
        logp = MODEL(torch.tensor([[EOS, *ids]]))[0].log_softmax(-1)
    return -sum(logp[i, target].item() for i, target in enumerate([*ids, EOS]))


@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(0, 31), min_size=1, max_size=8),
    batch_tokens=st.sampled_from([1, 40, 4096]),
)
def test_text_loss_equals_the_direct_computation(lengths, batch_tokens):
    documents = [
        random_ids(TINY, 1, n, seed=i)[0].tolist() for i, n in enumerate(lengths)
    ]
    result = text_loss(MODEL, documents, characters=100, batch_tokens=batch_tokens)
    assert result.tokens == sum(lengths) + len(lengths)
    assert result.nats == pytest.approx(sum(map(direct, documents)), rel=1e-4)


def test_text_loss_of_a_long_text_is_that_of_its_windows():
    ids = random_ids(TINY, 1, 100)[0].tolist()
    with torch.no_grad():
        nats = sum(
            F.cross_entropy(
                MODEL(torch.tensor([x]))[0], torch.tensor(y), reduction="sum"
            ).item()
            for x, y in _windows(ids, EOS, 32, 16)
        )
    result = text_loss(MODEL, [ids], characters=300)
    assert (result.tokens, result.characters) == (101, 300)
    assert result.nats == pytest.approx(nats, rel=1e-5)


@settings(max_examples=20)
@given(n=st.integers(0, 70), stride=st.integers(1, 32))
def test_token_losses_are_the_parts_of_the_text_loss(n, stride):
    ids = random_ids(TINY, 1, n)[0].tolist()
    losses = token_losses(MODEL, ids, stride=stride)
    assert losses.shape == (n + 1,)
    whole = text_loss(MODEL, [ids], characters=1, stride=stride)
    assert losses.sum().item() == pytest.approx(whole.nats, rel=1e-5)


def test_token_losses_lie_at_their_tokens():
    ids = random_ids(TINY, 1, 10)[0].tolist()
    with torch.no_grad():
        logp = MODEL(torch.tensor([[EOS, *ids]]))[0].log_softmax(-1)
    expected = -logp[torch.arange(11), torch.tensor([*ids, EOS])]
    torch.testing.assert_close(token_losses(MODEL, ids), expected)
    with pytest.raises(
        ValueError, match="stride is 40; it must lie between 1 and the window of 32"
    ):
        token_losses(MODEL, ids, stride=40)


def test_units():
    text = TextLoss(nats=300 * math.log(2), tokens=100, characters=400)
    assert text.loss == pytest.approx(3 * math.log(2))
    assert text.perplexity == pytest.approx(8)
    assert text.bits_per_character == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("documents", "options", "says"),
    [
        ([], {}, "no text to score"),
        ([[1]], {"characters": 0}, "characters is 0; pass the length"),
        ("a text", {}, "documents is the text 'a text'"),
        ([[1]], {"window": 0}, "window is 0; this model reads 1 to 32 tokens"),
        (
            [[1]],
            {"stride": 0},
            "stride is 0; it must lie between 1 and the window of 32",
        ),
        (
            [[1]],
            {"stride": 9, "window": 8},
            "stride is 9; it must lie between 1 and the window of 8",
        ),
        ([[1] * 40], {"window": 40}, "window is 40; this model reads 1 to 32 tokens"),
    ],
)
def test_nothing_sensible_to_score(documents, options, says):
    with pytest.raises(ValueError, match=says):
        text_loss(MODEL, documents, **{"characters": 1, **options})


def test_targets_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"targets \(3, 2\) do not match"):
        cross_entropy(torch.randn(2, 3, 5), torch.zeros(3, 2, dtype=torch.long))
