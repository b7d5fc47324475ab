"""What is read inside a model agrees with the model, and planted patterns are found."""

from __future__ import annotations

import pytest
import torch
from conftest import TINY, random_ids, random_model

from gpt2course.course import (
    attention_weights,
    block_contributions,
    first_token_scores,
    induction_scores,
    logit_lens,
    neurons_on,
    previous_token_scores,
    repeated_tokens,
    residual_stream,
)

L, H, C, V = TINY.n_layer, TINY.n_head, TINY.n_embd, TINY.vocab_size
T = 6


def planted(keys: list[int]) -> list[torch.Tensor]:
    """Weights of 2 layers and 3 heads; only head 1 of layer 1 looks at these keys."""
    weights = [torch.eye(len(keys)).repeat(3, 1, 1) for _ in range(2)]
    weights[1][1] = torch.nn.functional.one_hot(torch.tensor(keys), len(keys)).float()
    return weights


def only_planted(scores: torch.Tensor) -> bool:
    expected = torch.zeros(2, 3)
    expected[1, 1] = 1
    return torch.equal(scores, expected)


def test_the_last_row_of_the_lens_is_the_model():
    model, ids = random_model(), random_ids(TINY, 1, T)
    lens = logit_lens(model, ids)
    assert lens.shape == (L + 1, T, V)
    torch.testing.assert_close(lens[-1], model(ids)[0].detach())
    embedded = model.wte(ids) + model.wpe(torch.arange(T))
    first = model.head(model.ln_f(embedded))[0].detach()
    torch.testing.assert_close(lens[0], first)


def test_contributions_sum_to_the_logit():
    model, ids = random_model(), random_ids(TINY, 1, T)
    parts = block_contributions(model, ids, token=5)
    assert parts.shape == (L + 2, T)
    torch.testing.assert_close(parts.sum(dim=0), model(ids)[0, :, 5].detach())


def test_a_block_that_adds_nothing_contributes_nothing():
    model, ids = random_model(), random_ids(TINY, 1, T)
    for linear in (model.h[0].attn.c_proj, model.h[0].mlp.c_proj):
        torch.nn.init.zeros_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
    parts = block_contributions(model, ids, token=5)
    assert torch.equal(parts[1], torch.zeros(T))
    assert parts[2].abs().min() > 0


def test_a_planted_head_scores_one():
    assert only_planted(previous_token_scores(planted([0, 0, 1, 2, 3, 4])))
    assert only_planted(first_token_scores(planted([0] * 6)))
    # a b c a b c: each of the second half looks behind its first occurrence
    assert only_planted(induction_scores(planted([0, 1, 2, 1, 2, 3]), length=3))


def test_repeated_tokens():
    ids = repeated_tokens(V, 7, seed=1)
    assert ids.shape == (1, 14)
    assert torch.equal(ids[:, :7], ids[:, 7:])
    assert len(set(ids[0].tolist())) == 7
    assert torch.equal(ids, repeated_tokens(V, 7, seed=1))
    assert not torch.equal(ids, repeated_tokens(V, 7, seed=2))


def test_a_planted_neuron_is_found():
    model = random_model()
    ids = torch.tensor([[1, 2, 3, 2, 4]])
    caught = []
    hook = model.h[1].ln_2.register_forward_hook(lambda *call: caught.append(call[2]))
    model(ids)
    hook.remove()
    x = caught[0][0].detach()  # (T, C)
    wanted = torch.tensor([0.0, 50, 0, 50, 0])
    with torch.no_grad():
        model.h[1].mlp.c_fc.weight[9] = torch.linalg.pinv(x) @ wanted
        model.h[1].mlp.c_fc.bias[9] = 0
    layer, neuron, margin = neurons_on(model, ids, [1, 3], count=1)[0]
    assert (layer, neuron) == (1, 9)
    assert margin == pytest.approx(50, rel=1e-3)


def test_no_neuron_tells_two_equal_places_apart():
    model = random_model()
    with torch.no_grad():
        for block in model.h:
            torch.nn.init.zeros_(block.mlp.c_fc.weight)
    assert neurons_on(model, random_ids(TINY, 1, T), [2]) == []


def test_hooks_are_gone_after_an_exception():
    model = random_model()
    outside = torch.tensor([[V]])
    for look in (residual_stream, logit_lens):
        with pytest.raises(ValueError, match=f"holds {V}"):
            look(model, outside)
    with pytest.raises(ValueError, match=f"holds {V}"):
        neurons_on(model, torch.tensor([[1, V]]), [0])
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m, ids: block_contributions(m, ids, V),
            f"token is {V}; it must be from 0 to {V - 1}",
        ),
        (
            lambda m, ids: neurons_on(m, ids, [T]),
            f"position is {T}; it must be from 0 to {T - 1}",
        ),
        (lambda m, ids: neurons_on(m, ids, []), f"0 of {T} positions"),
        (lambda m, ids: neurons_on(m, ids, list(range(T))), f"{T} of {T} positions"),
        (lambda m, ids: neurons_on(m, ids, [0], count=0), "count is 0"),
        (lambda m, ids: logit_lens(m, ids.repeat(2, 1)), "it must be \\(1, T\\)"),
        (lambda m, ids: logit_lens(m.train(), ids), "training mode"),
        (
            lambda m, ids: attention_weights(m, ids.repeat(2, 1)),
            "it must be \\(1, T\\)",
        ),
        (lambda m, ids: attention_weights(m.train(), ids), "training mode"),
        (lambda m, ids: repeated_tokens(V, V + 1), f"length is {V + 1}"),
        (lambda m, ids: repeated_tokens(V, 1), "length is 1"),
        (lambda m, ids: induction_scores(planted([0] * 5), 3), "length is 3 .* of 5"),
        (lambda m, ids: previous_token_scores(planted([0])), "1 token"),
        (lambda m, ids: first_token_scores(planted([0])), "1 token"),
    ],
)
def test_what_cannot_be_read_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(random_model(), random_ids(TINY, 1, T))
