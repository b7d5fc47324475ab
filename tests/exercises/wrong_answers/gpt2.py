"""Wrong answers to the exercises of the first page, and what each is told."""

from __future__ import annotations

import torch


def below(p, fraction):
    total = p.sort(descending=True).values.cumsum(0)
    return int((total < fraction).sum())


def unsorted(p, fraction):
    return int((p.cumsum(0) < fraction).sum()) + 1


def past_the_end(p, fraction):
    total = p.sort(descending=True).values.cumsum(0)
    return int((total < fraction - 1e-9).sum()) + 1 + int(len(p) == 3)


def next_id(model, ids):
    return int(model(torch.tensor([ids]))[0, -1].argmax())


def in_place(model, ids, n):
    for _ in range(n):
        ids.append(next_id(model, ids))
    return ids[-n:]


def with_the_prompt(model, ids, n):
    return in_place(model, text := list(ids), n) and text


def one_id_repeated(model, ids, n):
    return [next_id(model, ids)] * n


def one_too_few(model, ids, n):
    return in_place(model, list(ids), n - 1)


WRONG = {
    "gpt2-needed": [
        (below, "the token that reaches the fraction counts too"),
        (unsorted, "sort from large to small"),
        (past_the_end, "three tokens cannot take more than three"),
        (lambda p, fraction: len(p), "yours is 4"),
    ],
    "gpt2-memory": [
        (lambda parameters, bits: parameters * bits / 1e9, "eight bits are a byte"),
        (lambda parameters, bits: parameters * bits / 8, "these are bytes"),
        (lambda parameters, bits: parameters * bits / 8 / 2**30, "divide by 2**30"),
        (lambda parameters, bits: parameters * 4 / 1e9, "is the second argument used"),
    ],
    "gpt2-write": [
        (in_place, "work on a copy"),
        (with_the_prompt, "without the prompt"),
        (one_id_repeated, "appended before you ask again"),
        (one_too_few, "yours are 4"),
    ],
}
