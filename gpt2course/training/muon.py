"""Muon: an optimizer for matrices. It makes more of each token than AdamW, at the price of some matrix products."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor


def orthogonalize(matrix: Tensor, steps: int = 5) -> Tensor:
    """Replace a matrix by (nearly) the closest one whose singular values are all 1.

    Five rounds of a cubic-quintic iteration bring every singular value into about 0.7..1.2, which is close enough.
    Nothing but matrix products, in float32.

    Args:
        matrix: (..., m, n).
        steps: rounds.

    Returns:
        (..., m, n).

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix.size(-2) <= matrix.size(-1)
    X = matrix if wide else matrix.mT
    X = X / (X.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        A = X @ X.mT
        X = a * X + (b * A + c * A @ A) @ X
    return X if wide else X.mT


class Muon(torch.optim.Optimizer):
    """Momentum, then orthogonalised: every direction of a matrix moves by the same amount.

    The update is scaled by 0.2 * sqrt(larger side), which gives it about the size of an AdamW update, so that
    learning rates are comparable. With several processes, each orthogonalises its share of the matrices.

    Args:
        matrices: 2-D parameters. Those three times as tall as wide are read as three stacked matrices (c_attn: queries,
            keys and values), each orthogonalised by itself.
        lr: learning rate.
        momentum: weight of the past gradients.

    Raises:
        ValueError: a parameter that is not a matrix.

    Source: Jordan et al. 2024; the scale is from Liu et al. 2025, "Muon is scalable for LLM training".
    """

    def __init__(
        self, matrices: Iterable[Tensor], lr: float, momentum: float = 0.95
    ) -> None:
        matrices = list(matrices)
        for p in matrices:
            if p.dim() != 2:
                raise ValueError(
                    f"Muon takes matrices; got a parameter of shape {tuple(p.shape)}: give it to AdamW"
                )
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        rank, world = (
            (dist.get_rank(), dist.get_world_size())
            if dist.is_initialized()
            else (0, 1)
        )
        for group in self.param_groups:
            updates = torch.zeros(
                sum(p.numel() for p in group["params"]),
                device=group["params"][0].device,
            )
            pieces = updates.split([p.numel() for p in group["params"]])
            for i, (p, piece) in enumerate(zip(group["params"], pieces, strict=True)):
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                m = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                if i % world == rank:
                    nesterov = p.grad.lerp(m, group["momentum"])
                    stacked = 3 if p.size(0) == 3 * p.size(1) else 1
                    parts = nesterov.view(stacked, -1, p.size(1))
                    scale = 0.2 * math.sqrt(max(parts.shape[1:]))
                    piece.copy_(scale * orthogonalize(parts).flatten())
            if world > 1:
                dist.all_reduce(updates)
            for p, piece in zip(group["params"], pieces, strict=True):
                p.sub_(group["lr"] * piece.view_as(p))
