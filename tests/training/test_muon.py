"""Muon: the orthogonal part of a matrix, and one update whether one process computes it or two."""

from __future__ import annotations

import math

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from conftest import TINY, random_ids, random_model

from gpt2course.loss import cross_entropy, shift
from gpt2course.training import Muon, orthogonalize


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
