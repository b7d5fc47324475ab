"""What every training run shares: the learning rate over time, which weights decay, and safe files."""

from __future__ import annotations

import math
import os
from pathlib import Path

import torch

from gpt2course.model import GPT2


def learning_rate_at(step: int, *, peak: float, warmup_steps: int, total_steps: int, final: float = 0.0) -> float:
    """Linear warm-up, then half a cosine down to `final`.

    Args:
        step: optimizer step, from 0.
        peak: highest rate, reached at the end of the warm-up.
        warmup_steps, total_steps: in optimizer steps.
        final: rate at the last step.

    Raises:
        ValueError: a warm-up that is not shorter than the whole run.

    Source: Loshchilov and Hutter 2017, equation 5, without restarts. Chapter: pretraining.
    """
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(f"warm-up of {warmup_steps} steps in a run of {total_steps}; it must be shorter than the run")
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - 1 - warmup_steps))
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * done))


def parameter_groups(model: GPT2, weight_decay: float) -> list[dict]:
    """Matrices and embeddings decay; biases and layer norms do not.

    Returns:
        two groups in the form that torch.optim takes.

    Source: the grouping of nanoGPT and of GPT-3's appendix B.
    """
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    free = [p for p in model.parameters() if p.dim() < 2]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def save_atomically(state: object, path: Path) -> None:
    """torch.save that never leaves half a file: written beside, flushed to disk, then renamed.

    Raises:
        OSError: the folder cannot be written or the disk is full; the old file is untouched.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except RuntimeError as error:  # torch reports a failed write, such as a full disk, this way
        raise OSError(f"cannot write {path}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
