"""One step: every token weighs the same, NaN is refused, precision as told."""

from __future__ import annotations

import pytest
import torch
from conftest import random_model, twins
from counting import (
    QUIET,
    SHAPE,
    TRAIN,
    VALIDATION,
    documents,
    fresh,
    same_weights,
)
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.data import pack_sequences
from gpt2course.loss import cross_entropy, shift
from gpt2course.training import (
    LossNotFinite,
    gradient_checkpointing,
    held_out_loss,
    next_token_nats,
    rows_of_step,
    train_step,
)


def sgd(model) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=1.0)


def test_every_token_of_a_batch_weighs_the_same():
    pieces = [TRAIN[:1], TRAIN[len(TRAIN) - 3 :]]
    assert pieces[0].num_label_tokens != pieces[1].num_label_tokens
    whole, parts, means = fresh(), fresh(), fresh()
    both = pack_sequences(
        [
            ids
            for i, ids in enumerate(documents(60, 1))
            if any((p.document_ids == i).any() for p in pieces)
        ],
        32,
    )
    one = train_step(whole, sgd(whole), [both], max_grad_norm=1e9)
    two = train_step(parts, sgd(parts), pieces, max_grad_norm=1e9)
    assert one.loss == pytest.approx(two.loss, abs=1e-5)
    assert (one.tokens, one.grad_norm) == (
        two.tokens,
        pytest.approx(two.grad_norm, rel=1e-4),
    )
    assert same_weights(whole, parts, 1e-5)

    optimizer = sgd(means)  # what is often done instead
    for piece in pieces:
        (next_token_nats(means, piece) / piece.num_label_tokens / 2).backward()
    optimizer.step()
    assert not same_weights(whole, means, 1e-4)


def test_the_loss_is_that_of_the_documents_alone():
    model = random_model(QUIET)
    nats = sum(
        cross_entropy(*shift(model(ids), ids), reduction="sum").item()
        for ids in (torch.tensor([ids]) for ids in documents(20, 2))
    )
    assert held_out_loss(model, VALIDATION, batch_size=3) == pytest.approx(
        nats / VALIDATION.num_label_tokens, abs=1e-4
    )
    leaking = next_token_nats(model, VALIDATION, use_document_mask=False).item()
    assert abs(leaking - nats) > 1


def test_clipping_and_the_norm_before_it():
    model = fresh()
    before = [p.detach().clone() for p in model.parameters()]
    done = train_step(model, sgd(model), [TRAIN], max_grad_norm=0.01)
    moved = (
        sum(
            ((p - b) ** 2).sum()
            for p, b in zip(model.parameters(), before, strict=True)
        )
        .sqrt()
        .item()
    )
    assert moved == pytest.approx(0.01, rel=1e-2)
    assert done.grad_norm > 0.01


@pytest.mark.parametrize("body", ["ours", "hugging face"])
def test_checkpointing_changes_memory_and_nothing_else(body):
    theirs, ours = twins(SHAPE, std=0.02)
    model = (ours if body == "ours" else theirs).train()
    gradients, calls = [], []
    block = (model if body == "ours" else model.transformer).h[0]
    block.ln_1.register_forward_hook(lambda *_: calls.append(1))
    for context in (None, gradient_checkpointing(model)):
        torch.manual_seed(3)  # dropout is on, and has to be the same on the way back
        model.zero_grad()
        if context is None:
            next_token_nats(model, TRAIN).backward()
        else:
            with context:
                next_token_nats(model, TRAIN).backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert len(calls) == 1 + 2  # computed a second time
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*gradients, strict=True))
    next_token_nats(model, TRAIN).backward()
    assert len(calls) == 4  # and no longer


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_leaves_weights_and_loss_in_float32(precision):
    model = fresh()
    reference = next_token_nats(model, TRAIN).item()
    half = next_token_nats(model, TRAIN, mixed_precision=precision)
    assert half.dtype == torch.float32
    assert 0 < abs(half.item() / reference - 1) < 0.01
    scaler = torch.amp.GradScaler("cpu", enabled=precision == "fp16")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = [
        train_step(
            model, optimizer, [TRAIN[:2]], mixed_precision=precision, scaler=scaler
        ).loss
        for _ in range(8)
    ]
    assert losses[-1] < losses[0] - 0.5
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_fp16_skips_a_step_that_overflows_and_gives_up_when_all_do():
    model = fresh()
    before = [p.detach().clone() for p in model.parameters()]
    scaler = torch.amp.GradScaler("cpu", init_scale=1e38)
    done = train_step(
        model,
        torch.optim.AdamW(model.parameters()),
        [TRAIN[:2]],
        mixed_precision="fp16",
        scaler=scaler,
    )
    assert done.loss < 10  # the loss is fine, its scaled gradient was not
    assert scaler.get_scale() == pytest.approx(5e37)
    assert all(
        torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True)
    )
    scaler = torch.amp.GradScaler("cpu", init_scale=0.5)
    with pytest.raises(LossNotFinite):
        train_step(
            model,
            torch.optim.AdamW(model.parameters()),
            [TRAIN[:2]],
            mixed_precision="fp16",
            scaler=scaler,
        )


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_step_into_nan_is_not_taken(where):
    model = fresh()
    before = [p.detach().clone() for p in model.parameters()]
    if where == "loss":
        model.ln_f.register_forward_hook(lambda _, __, out: out * torch.nan)
    else:
        model.wpe.weight.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(
        LossNotFinite,
        match="the loss is nan"
        if where == "loss"
        else "norm of its gradient (inf|nan)",
    ):
        train_step(model, torch.optim.AdamW(model.parameters()), [TRAIN])
    assert all(
        torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True)
    )


@given(
    n_rows=st.integers(1, 20), per_step=st.integers(1, 8), seed=st.integers(0, 2**30)
)
def test_every_row_is_read_once_an_epoch(n_rows, per_step, seed):
    read = torch.cat(
        [rows_of_step(step, n_rows, per_step, seed) for step in range(2 * n_rows)]
    ).tolist()
    epochs = [read[i : i + n_rows] for i in range(0, len(read) - n_rows + 1, n_rows)]
    assert all(sorted(epoch) == list(range(n_rows)) for epoch in epochs)


def test_epochs_differ_and_seeds_too():
    first, second = rows_of_step(0, 50, 50, seed=1), rows_of_step(1, 50, 50, seed=1)
    assert not torch.equal(first, second)
    assert not torch.equal(first, rows_of_step(0, 50, 50, seed=9))


@pytest.mark.parametrize("seed", [1, 2, 7])
def test_no_epoch_of_a_seed_is_one_of_another(seed):
    def epoch(number, seed):
        return tuple(rows_of_step(number, 50, 50, seed).tolist())

    orders = {epoch(number, other) for number in range(4) for other in range(seed + 4)}
    assert len(orders) == 4 * (seed + 4)


@pytest.mark.parametrize("max_grad_norm", [0, -1.0, float("nan")])
def test_a_norm_that_would_stop_or_turn_the_steps(max_grad_norm):
    model = random_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    packed = pack_sequences([[1, 2, 3]], 8)
    with pytest.raises(ValueError, match="it must be above 0"):
        train_step(model, optimizer, [packed], max_grad_norm=max_grad_norm)
