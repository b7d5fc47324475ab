"""Wrong answers to the exercises on looking inside, and what each is told."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from gpt2course.course.interpret import induction_scores, previous_token_scores


def in_place(y, head, n_head):
    D = y.size(-1) // n_head
    y[..., head * D : (head + 1) * D] = 0
    return y


def every_third(y, head, n_head):
    y = y.clone()
    y[..., head::n_head] = 0
    return y


def n_head_wide(y, head, n_head):
    y = y.clone()
    y[..., head * n_head : (head + 1) * n_head] = 0
    return y


def keeps_only_it(y, head, n_head):
    D = y.size(-1) // n_head
    kept = torch.zeros_like(y)
    kept[..., head * D : (head + 1) * D] = y[..., head * D : (head + 1) * D]
    return kept


def back_by(weights, distance):
    length = weights.size(-1) // 2
    t = torch.arange(length, 2 * length)
    return weights[:, t, t - distance].mean(dim=-1)


def last_row_without_norm(stream, ln_f, head):
    return torch.cat([head(ln_f(stream[:-1])), head(stream[-1:])])


def spread_of(total):
    return (total.var(correction=0) + 1e-5).sqrt()


def centred(parts):
    return parts - parts.mean(dim=-1, keepdim=True)


def always_one(y, head, n_head):
    D, y = y.size(-1) // n_head, y.clone()
    y[..., D : 2 * D] = 0
    return y


def first_text(y, head, n_head):
    D, y = y.size(-1) // n_head, y.clone()
    y[0, :, head * D : (head + 1) * D] = 0
    return y


WRONG = {
    "inside-previous": [
        (lambda w: w.diagonal(dim1=-2, dim2=-1).mean(-1), "the token itself"),
        (lambda w: w.diagonal(-1, dim1=-2, dim2=-1).sum(-1) / w.size(-1), "T - 1"),
        (lambda w: w.diagonal(1, dim1=-2, dim2=-1).mean(-1), "the token after"),
        (lambda w: w.diagonal(-1, dim1=-2, dim2=-1).mean(), "for each head"),
        (lambda w: previous_token_scores([w])[0], "previous_token_scores computes it"),
    ],
    "inside-lens": [
        (lambda stream, ln_f, head: head(stream), "what ln_f gives"),
        (lambda stream, ln_f, head: head(ln_f(ln_f(stream))), "once only"),
        (last_row_without_norm, "the last one too"),
        (lambda stream, ln_f, head: head(ln_f(stream[-1])), "of shape (L + 1, T, V)"),
    ],
    "inside-silence": [
        (in_place, "has changed"),
        (every_third, "side by side"),
        (n_head_wide, "4 each, not 3"),
        (keeps_only_it, "keeps only one"),
        (always_one, "for head 0 of 4"),
        (first_text, "of both are 0"),
    ],
    "inside-induction": [
        (lambda w: back_by(w, w.size(-1) // 2), "the earlier occurrence itself"),
        (lambda w: back_by(w, 1), "the token before"),
        (
            lambda w: w.diagonal(1 - w.size(-1) // 2, dim1=-2, dim2=-1).mean(-1),
            "has not occurred before",
        ),
        (
            lambda w: induction_scores([w], w.size(-1) // 2)[0],
            "induction_scores computes it",
        ),
    ],
    "inside-recovered": [
        (lambda clean, corrupted, patched: patched / clean, "where the corrupted run"),
        (lambda clean, corrupted, patched: patched - corrupted, "how far it came"),
        (
            lambda clean, corrupted, patched: (patched - clean) / (clean - corrupted),
            "how much is missing",
        ),
        (
            lambda clean, corrupted, patched: (
                (patched - corrupted) / (clean - corrupted)
            ),
            "raise a ValueError",
        ),
        (
            lambda clean, corrupted, patched: (
                (patched - corrupted) / abs(clean - corrupted)
            ),
            "keep the signs",
        ),
    ],
    "inside-split": [
        (
            lambda parts, gain, direction: (
                F.layer_norm(parts, parts.shape[-1:], gain) @ direction
            ),
            "its own spread",
        ),
        (
            lambda parts, gain, direction: (
                parts @ (gain * direction) / spread_of(parts.sum(0))
            ),
            "the mean first",
        ),
        (
            lambda parts, gain, direction: (
                centred(parts) @ direction / spread_of(parts.sum(0))
            ),
            "the gain of ln_f",
        ),
        (
            lambda parts, gain, direction: (
                centred(parts) @ (gain * direction) / parts.sum(0).std(correction=0)
            ),
            "1e-5 is added to the variance",
        ),
    ],
}
