"""The learning rate of each step, what decays, and Muon. Who calls them: step.py and
pretraining.py."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gpt2course.model import GPT2
from gpt2course.training.processes import rank, sum_over_processes, world_size

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel


def learning_rate_at(
    step: int, *, peak: float, warmup_steps: int, total_steps: int, final: float = 0.0
) -> float:
    """Linear warm-up, then half a cosine down to `final`.

    Args:
        step: optimizer step, from 0.
        peak: highest rate, reached at the end of the warm-up.
        warmup_steps, total_steps: in optimizer steps.
        final: rate at the last step.

    Raises:
        ValueError: a warm-up that is not shorter than the whole run.

    Source: Loshchilov and Hutter 2017, equation 5, without restarts. Chapter:
    pretraining.
    """
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(
            f"warm-up of {warmup_steps} steps in a run of {total_steps}; it must be "
            "shorter than the run"
        )
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - 1 - warmup_steps))
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * done))


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """The same rate for all groups of an optimizer."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def parameter_groups(model: GPT2 | GPT2LMHeadModel, weight_decay: float) -> list[dict]:
    """Matrices and embeddings decay; biases and layer norms do not.

    Weights that are frozen (requires_grad is False) are in neither group.

    Returns:
        two groups in the form that torch.optim takes.

    Source: the grouping of nanoGPT and of GPT-3's appendix B. Chapter: training.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.dim() >= 2]
    free = [p for p in trained if p.dim() < 2]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]


def orthogonalize(matrix: Tensor, steps: int = 5) -> Tensor:
    """Replace a matrix by (nearly) the closest one whose singular values are all 1.

    Five rounds of a cubic-quintic iteration bring singular values above some 0.003 of
    the matrix's norm into about 0.7..1.2, which is close enough; smaller ones grow and
    stay below. Nothing but matrix products, in the matrix's dtype.

    Args:
        matrix: (..., m, n).
        steps: rounds.

    Returns:
        (..., m, n).

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural
    networks".
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
    """Momentum, then orthogonalised: every direction of a matrix moves by the same
    amount.

    It learns more from each token than AdamW, at the price of some matrix products. The
    update is scaled by 0.2 * sqrt(larger side), which gives it about the size of an
    AdamW update, so that learning rates are comparable. With several processes, each
    orthogonalises some of the matrices.

    Args:
        matrices: 2-D parameters. Those three times as tall as wide are read as three
            stacked matrices (c_attn: queries, keys and values), each orthogonalised by
            itself.
        lr: learning rate.
        momentum: weight of the past gradients.

    Raises:
        ValueError: a parameter that is not a matrix.

    Source: Jordan et al. 2024; the scale is from Liu et al. 2025, "Muon is scalable for
    LLM training". Chapter: pretraining.
    """

    def __init__(
        self, matrices: Iterable[Tensor], lr: float, momentum: float = 0.95
    ) -> None:
        matrices = list(matrices)
        for p in matrices:
            if p.dim() != 2:
                raise ValueError(
                    f"Muon takes matrices; got a parameter of shape {tuple(p.shape)}: "
                    "give it to AdamW"
                )
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        """Move the matrices along the momentum of their gradients."""
        for group in self.param_groups:
            matrices, momentum = group["params"], group["momentum"]
            sizes = [p.numel() for p in matrices]
            updates = torch.zeros(sum(sizes), device=matrices[0].device)
            pieces = updates.split(sizes)
            for i, (p, piece) in enumerate(zip(matrices, pieces, strict=True)):
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                m = state["momentum"].lerp_(p.grad, 1 - momentum)
                if i % world_size() == rank():  # the other processes do the others
                    piece.copy_(_update(p.grad.lerp(m, momentum)).flatten())
            sum_over_processes(updates)
            for p, piece in zip(matrices, pieces, strict=True):
                p.sub_(group["lr"] * piece.view_as(p))


def _update(nesterov: Tensor) -> Tensor:
    """Momentum (m, n) made orthogonal, in one part or three: (parts, m / parts, n)."""
    rows, columns = nesterov.shape
    stacked = 3 if rows == 3 * columns else 1
    parts = nesterov.view(stacked, -1, columns)
    return 0.2 * math.sqrt(max(parts.shape[1:])) * orthogonalize(parts)
