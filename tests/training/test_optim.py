"""The schedule, what decays, and Muon, whether one process computes it or two."""

from __future__ import annotations

import math

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from conftest import TINY, random_ids, random_model
from hypothesis import given
from hypothesis import strategies as st

from gpt2course.loss import cross_entropy, shift
from gpt2course.training import (
    Muon,
    learning_rate_at,
    orthogonalize,
    parameter_groups,
    set_learning_rate,
)

RUN = {"peak": 0.5, "warmup_steps": 10, "total_steps": 110, "final": 0.05}


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.05), (4, 0.25), (9, 0.5), (10, 0.5), (109, 0.05), (500, 0.05)],
)
def test_fixed_points(step, rate):
    assert learning_rate_at(step, **RUN) == pytest.approx(rate)


def test_half_way_down_is_the_middle():
    assert learning_rate_at(
        50, peak=1.0, warmup_steps=0, total_steps=101
    ) == pytest.approx(0.5)


@given(warmup=st.integers(0, 50), rest=st.integers(1, 50))
def test_up_then_down(warmup, rest):
    rates = [
        learning_rate_at(s, peak=1.0, warmup_steps=warmup, total_steps=warmup + rest)
        for s in range(warmup + rest)
    ]
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert all(0 <= rate <= 1 for rate in rates)


@pytest.mark.parametrize(
    ("warmup_steps", "total_steps"), [(10, 10), (5000, 100), (-1, 10), (0, 0)]
)
def test_impossible_warm_up(warmup_steps, total_steps):
    with pytest.raises(
        ValueError, match=f"warm-up of {warmup_steps} steps in a run of {total_steps}"
    ):
        learning_rate_at(
            0, peak=1.0, warmup_steps=warmup_steps, total_steps=total_steps
        )


def test_every_parameter_is_in_one_group():
    model = random_model()
    decayed, free = parameter_groups(model, 0.1)
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    ids = [id(p) for group in (decayed, free) for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in model.parameters())
    names = {id(p): name for name, p in model.named_parameters()}
    assert all(
        "ln_" in names[id(p)] or names[id(p)].endswith("bias") for p in free["params"]
    )
    assert not any(
        "ln_" in names[id(p)] or names[id(p)].endswith("bias")
        for p in decayed["params"]
    )


def test_the_rate_of_all_groups():
    model = random_model()
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.1))
    set_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


# ---- Muon ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(16, 16), (24, 64), (64, 24), (3, 20, 20)])
def test_orthogonalize(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    result = orthogonalize(matrix)
    assert result.shape == matrix.shape
    U, S, Vh = torch.linalg.svd(matrix, full_matrices=False)
    inside = U.mT @ result @ Vh.mT  # diagonal: the singular vectors are kept
    values = inside.diagonal(dim1=-2, dim2=-1)
    assert (inside - torch.diag_embed(values)).abs().max() < 1e-4
    large = values[
        S / S.amax(-1, keepdim=True) > 0.02
    ]  # five rounds do not lift the very smallest ones all the way
    assert large.min() > 0.5
    assert values.max() < 1.3
    torch.testing.assert_close(orthogonalize(1000 * matrix), result, atol=1e-4, rtol=0)


def test_no_gradient_no_direction():
    assert orthogonalize(torch.zeros(4, 6)).count_nonzero() == 0


def matrices(model):
    return [p for p in model.h.parameters() if p.dim() == 2]


def two_steps(model) -> None:
    """Two updates, so that momentum counts."""
    optimizer, ids = Muon(matrices(model), lr=0.01), random_ids(TINY, 2, 16)
    for _ in range(2):
        model.zero_grad()
        cross_entropy(*shift(model(ids), ids)).backward()
        optimizer.step()


def test_the_first_update_is_its_formula():
    model, ids = random_model(), random_ids(TINY, 2, 16)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    cross_entropy(*shift(model(ids), ids)).backward()
    Muon(matrices(model), lr=0.01, momentum=0.9).step()
    for name, p in model.named_parameters():
        step = before[name] - p.detach()
        if not name.startswith("h.") or p.dim() != 2:
            assert step.count_nonzero() == 0, name
            continue
        parts = (
            p.grad.chunk(3) if "c_attn" in name else [p.grad]
        )  # queries, keys and values each by itself
        update = torch.cat(
            [0.2 * math.sqrt(max(part.shape)) * orthogonalize(part) for part in parts]
        )
        torch.testing.assert_close(
            step,
            0.01 * update,
            atol=1e-4,
            rtol=0.02,
            msg=lambda m, name=name: f"{name}: {m}",
        )


def _one_of_two(rank: int, folder) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    model = random_model()
    two_steps(model)
    torch.save(model.state_dict(), folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path):
    mp.spawn(_one_of_two, (tmp_path,), nprocs=2)
    model = random_model()
    two_steps(model)
    for rank in range(2):
        for name, tensor in torch.load(tmp_path / f"{rank}.pt").items():
            assert torch.equal(tensor, model.state_dict()[name]), name


def test_only_matrices():
    with pytest.raises(
        ValueError, match=r"Muon takes matrices; got a parameter of shape \(5,\)"
    ):
        Muon([torch.zeros(5)], lr=0.1)
