"""Wrong answers to the exercises on what came after GPT-2, and what each is told."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from gpt2course.model import attention


def rotated(x, positions, sign=1.0, pairs="halves"):
    """Rotary position embedding, as an answer would write it, with two ways to err."""
    half = x.size(-1) // 2
    angle = positions[:, None] * 10_000.0 ** -(torch.arange(half) / half)
    cos, sin = angle.cos(), sign * angle.sin()
    if pairs == "neighbours":
        a, b = x[..., ::2], x[..., 1::2]
        turned = torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1)
        return turned.flatten(-2)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def longer(x, positions):
    """Both signs the same: not a rotation."""
    half = x.size(-1) // 2
    angle = positions[:, None] * 10_000.0 ** -(torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat(
        [
            a * angle.cos() + b * angle.sin(),
            a * angle.sin() + b * angle.cos(),
        ],
        dim=-1,
    )


def alternating(q, k, v):
    """Heads 0, 1, 0, 1 instead of 0, 0, 1, 1."""
    n = q.size(1) // k.size(1)
    return attention(q, k.repeat(1, n, 1, 1), v.repeat(1, n, 1, 1))


def looks_ahead(q, k, v):
    """No causal mask."""
    n = q.size(1) // k.size(1)
    k, v = k.repeat_interleave(n, dim=1), v.repeat_interleave(n, dim=1)
    return F.scaled_dot_product_attention(q, k, v)


def masked(logits, k, of):
    """Something of the logits at the k best places, 0 elsewhere."""
    best = torch.zeros_like(logits).scatter(-1, logits.topk(k).indices, 1.0)
    return of * best


WRONG = {
    "today-rmsnorm": [
        (lambda x, w, eps: None, "returns nothing yet"),
        (
            lambda x, w, eps: F.layer_norm(x, (8,), w, eps=eps),
            "does not subtract the mean",
        ),
        (lambda x, w, eps: F.rms_norm(x, (8,), None, eps), "not multiplied by weight"),
        (
            lambda x, w, eps: x / x.norm(dim=-1, keepdim=True) * w,
            "take the mean of the squares",
        ),
        (
            lambda x, w, eps: x * x.pow(2).mean((-2, -1), True).rsqrt() * w,
            "over the last dimension only",
        ),
        (
            lambda x, w, eps: x / (x.pow(2).mean(-1, True).sqrt() + eps) * w,
            "inside the root",
        ),
        (lambda x, w, eps: torch.rms_norm(x, (8,), w, eps), "rms_norm computes it"),
        (
            lambda x, w, eps: torch.nn.functional.rms_norm(x, (8,), w, eps),
            "rms_norm computes it",
        ),
    ],
    "today-rotary": [
        (lambda x, p: x[0], "the shape must be"),
        (longer, "keeps the length"),
        (lambda x, p: rotated(x, p, -1.0), "the other way round"),
        (lambda x, p: rotated(x, p, pairs="neighbours"), "you pair neighbours"),
        (lambda x, p: rotated(x, torch.arange(x.size(-2))), "count positions from 0"),
        (lambda x, p: x, "the angles are wrong"),
    ],
    "today-groups": [
        (alternating, "neighbours should share"),
        (looks_ahead, "attention must be causal"),
        (
            lambda q, k, v: attention(q, *(t.repeat_interleave(3, 1) for t in (v, k))),
            "the first three query heads",
        ),
    ],
    "today-swiglu": [
        (lambda C, m: 8 * C // 3, "not a multiple of 256"),
        (lambda C, m: 8 * C // 3 // m * m, "you round down"),
        (lambda C, m: -(-4 * C // m) * m, "two thirds of that"),
        (lambda C, m: float(-(-(8 * C // 3) // m) * m), "a whole number"),
        (lambda C, m: -(-8 * C // (3 * m)) * m, "down to a whole number first"),
    ],
    "today-experts": [
        (lambda logits, k: logits.softmax(-1), "every expert has"),
        (lambda logits, k: masked(logits, k, logits.softmax(-1)), "do not add up to 1"),
        (lambda logits, k: masked(logits, k, logits), "these are logits still"),
    ],
}
