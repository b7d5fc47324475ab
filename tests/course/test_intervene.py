"""Interventions do what they say and leave no trace."""

from __future__ import annotations

import copy

import pytest
import torch
from conftest import TINY, random_ids, random_model

from gpt2course.course import (
    ablated,
    ablation_costs,
    patched,
    patching_effects,
    residual_stream,
)
from gpt2course.loss import cross_entropy, shift

L, H, C, V = TINY.n_layer, TINY.n_head, TINY.n_embd, TINY.vocab_size
D = TINY.head_size
T = 6


@pytest.fixture
def model():
    return random_model()


@pytest.fixture
def ids():
    return random_ids(TINY, 1, T)


@pytest.fixture
def other():
    return random_ids(TINY, 1, T, seed=1)


def without(model, heads):
    """A copy in which c_proj does not read what these heads write."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for layer, head in heads:
            # nn.Linear keeps (out, in): c_proj's inputs are its columns
            weight = model.h[layer].attn.c_proj.weight
            weight[:, head * D : (head + 1) * D] = 0
    return model


def assert_no_hooks(model):
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


@pytest.mark.parametrize("heads", [[(0, 0)], [(1, H - 1)], [(0, 0), (0, 1), (1, 0)]])
def test_ablation_equals_zeroed_weights(model, ids, heads):
    before = model(ids)
    with ablated(model, heads):
        inside = model(ids)
    torch.testing.assert_close(inside, without(model, heads)(ids))
    assert not torch.allclose(inside, before)
    assert torch.equal(model(ids), before)
    assert_no_hooks(model)


def test_ablating_nothing_changes_nothing(model, ids):
    with ablated(model, []):
        assert torch.equal(model(ids), model(ids))
        assert_no_hooks(model)


def test_costs(model, ids):
    costs = ablation_costs(model, ids)
    assert costs.shape == (L, H)

    def loss(m):
        return cross_entropy(*shift(m(ids), ids)).item()

    for layer in range(L):
        for head in range(H):
            expected = loss(without(model, [(layer, head)])) - loss(model)
            assert costs[layer, head].item() == pytest.approx(expected, abs=1e-5)
    assert costs.abs().max() > 1e-3
    assert_no_hooks(model)


def test_a_head_that_writes_nothing_costs_nothing(model, ids):
    costs = ablation_costs(without(model, [(1, 0)]), ids)
    assert costs[1, 0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("layer", range(L))
def test_patching_everything_is_the_clean_run(model, ids, other, layer):
    stream = residual_stream(model, ids)
    with patched(model, stream, layer, range(T)):
        torch.testing.assert_close(model(other), model(ids))
    assert not torch.allclose(model(other), model(ids))
    assert_no_hooks(model)


def test_patching_changes_nothing_before_the_position(model, ids, other):
    before = model(other)
    with patched(model, residual_stream(model, ids), 0, [3]):
        inside = model(other)
    torch.testing.assert_close(inside[:, :3], before[:, :3])
    assert not torch.allclose(inside[:, 3], before[:, 3])


def test_effects(model, ids):
    corrupted = ids.clone()
    corrupted[0, 2] = (ids[0, 2] + 1) % V
    effects = patching_effects(model, ids, corrupted, answer=3, wrong=4)
    assert effects.shape == (L, T)
    # before the changed token both runs are the same
    torch.testing.assert_close(effects[:, :2], torch.zeros(L, 2), atol=1e-4, rtol=0)
    # after the last block only the last position is read
    expected = torch.zeros(T)
    expected[-1] = 1
    torch.testing.assert_close(effects[-1], expected, atol=1e-4, rtol=0)
    # a place in the middle, by hand
    with patched(model, residual_stream(model, ids), 0, [2]):
        inside = model(corrupted)[0, -1]
    low, high = model(corrupted)[0, -1], model(ids)[0, -1]
    diff = [(x[3] - x[4]).item() for x in (low, inside, high)]
    share = (diff[1] - diff[0]) / (diff[2] - diff[0])
    assert effects[0, 2].item() == pytest.approx(share, abs=1e-4)
    assert_no_hooks(model)


def test_hooks_are_gone_after_an_exception(model, ids):
    stream = residual_stream(model, ids)
    before = model(ids)
    for change in (ablated(model, [(0, 0)]), patched(model, stream, 0, [0])):
        with pytest.raises(RuntimeError, match="inside"), change:
            raise RuntimeError("inside")
        assert_no_hooks(model)
    change = patched(model, stream, 0, [0])
    with pytest.raises(ValueError, match="the text is"), change:
        model(ids[:, :-1])
    assert_no_hooks(model)
    assert torch.equal(model(ids), before)


def enter(change):
    with change:
        raise AssertionError("not refused")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m, ids: enter(ablated(m, [(L, 0)])),
            f"layer is {L}; it must be from 0 to {L - 1}",
        ),
        (
            lambda m, ids: enter(ablated(m, [(0, 0), (0, H)])),
            f"head is {H}; it must be from 0 to {H - 1}",
        ),
        (lambda m, ids: enter(ablated(m, [(0, -1)])), "head is -1; it must be"),
        (lambda m, ids: enter(ablated(m, [(0, 0.0)])), "head is 0.0; it must be"),
        (
            lambda m, ids: enter(patched(m, residual_stream(m, ids), L, [0])),
            f"layer is {L}; it must be from 0 to {L - 1}",
        ),
        (
            lambda m, ids: enter(patched(m, residual_stream(m, ids), 0, [T])),
            f"position is {T}; it must be from 0 to {T - 1}",
        ),
        (
            lambda m, ids: enter(patched(m, residual_stream(m, ids)[1:], 0, [0])),
            f"it must be \\({L + 1}, T, {C}\\)",
        ),
        (
            lambda m, ids: patching_effects(m, ids, ids[:, 1:], 0, 1),
            f"clean has {T} tokens and corrupted {T - 1}",
        ),
        (
            lambda m, ids: patching_effects(m, ids, ids, V, 1),
            f"answer is {V}; it must be from 0 to {V - 1}",
        ),
        (lambda m, ids: patching_effects(m, ids, ids, 0, 1), "in both runs"),
        (lambda m, ids: ablation_costs(m, ids[:, :1]), "at least two"),
        (lambda m, ids: ablation_costs(m.train(), ids), "training mode"),
    ],
)
def test_what_cannot_be_changed_is_refused(model, ids, call, message):
    with pytest.raises(ValueError, match=message):
        call(model, ids)
    assert_no_hooks(model)
