"""Wrong answers to the exercises of the page on attention, and what each is told."""

from __future__ import annotations

import torch

from gpt2course.model import causal_mask


def split(x, n_head):
    B, T, C = x.shape
    return x.view(B, T, n_head, C // n_head).transpose(1, 2)


def unscaled(q, k, v):
    scores = q @ k.transpose(-2, -1)
    future = ~causal_mask(q.size(-2), k.size(-2))
    return scores.masked_fill(future, float("-inf")).softmax(-1) @ v


def next_token_only(f):
    x = torch.randn(1, 6, 4)
    changed = x.clone()
    changed[:, 1] += 1
    return torch.allclose(f(x)[:, 0], f(changed)[:, 0], atol=1e-5)


def whole_result(f):
    x = torch.randn(1, 6, 4)
    changed = torch.cat([x[:, :-1], torch.randn(1, 1, 4)], dim=1)
    return torch.allclose(f(x), f(changed), atol=1e-5)


def last_token_only(f):
    x = torch.randn(1, 6, 4)
    changed = torch.cat([x[:, :-1], torch.randn(1, 1, 4)], dim=1)
    return torch.allclose(f(x)[:, :-1], f(changed)[:, :-1], atol=1e-5)


WRONG = {
    "attention-mask": [
        (lambda T, S: ~causal_mask(T, S), "True and False are swapped"),
        (lambda T, S: torch.ones(T, S, dtype=torch.bool).tril(), "are the last 1"),
        (lambda T, S: torch.ones(T, S).tril(S - T), "must hold booleans"),
    ],
    "attention-softmax": [
        (lambda s: s.exp() / s.exp().sum(-1, keepdim=True), "subtract the largest"),
        (lambda s: s.softmax(0), "sum over another dimension"),
        (lambda s: torch.softmax(s, -1), "put your own code in place of it"),
    ],
    "attention-formula": [
        (unscaled, "the square root of D"),
        (
            lambda q, k, v: (q @ k.transpose(-2, -1) / 2).softmax(-1) @ v,
            "look into the future",
        ),
    ],
    "attention-heads": [
        (
            (lambda x, n: x.view(2, n, 3, 2), lambda x: x.view(2, 3, 8)),
            "mixes tokens and heads",
        ),
        ((split, lambda x: x.flatten(2)), "join must undo split"),
        (
            (split, lambda x: x.transpose(1, 2).view(2, 3, 8)),
            "heads that attention has just computed",
        ),
    ],
    "attention-causal": [
        (next_token_only, "adds the last token to the first"),
        (last_token_only, "one token in the middle"),
        (whole_result, "a running mean of the past is causal"),
    ],
}
