"""Wrong answers to the exercises of the joke machine, and what each is told."""

from __future__ import annotations

import torch

from gpt2course.checkpoints import load_tokenizer


def encoded(text, *end, **options):
    tokenizer = load_tokenizer()
    return [
        *tokenizer.encode(text, **options),
        *(tokenizer.eos_token_id for _ in end or (1,)),
    ]


def step_uphill(parameters, rate):
    for p in parameters:
        if p.grad is not None:
            p.data += rate * p.grad
    return parameters


def step_on_a_copy(parameters, rate):
    return [p - rate * p.grad for p in parameters if p.grad is not None]


def step_that_keeps_gradients(parameters, rate):
    for p in parameters:
        if p.grad is not None:
            p.data -= rate * p.grad
    return parameters


def labels(first, fill):
    return lambda rows, n, T: torch.tensor(
        [[first] * n + row[n:] + [fill] * (T - len(row)) for row in rows]
    )


WRONG = {
    "jokes-encode": [
        (lambda joke: encoded("JOKE: " + joke)[:-1], "the end of text is missing"),
        (lambda joke: encoded("JOKE: " + joke, 1, 2), "there twice"),
        (lambda joke: encoded(joke), 'prefix "JOKE: " is missing'),
        (lambda joke: encoded("JOKE:" + joke), "ends in a space"),
        (lambda joke: encoded("JOKE: ")[:-1] + encoded(joke), "in two pieces"),
        (lambda joke: encoded("JOKE: " + joke), "split_special_tokens"),
    ],
    "jokes-handle": [
        (lambda rows, n, T: rows, "return a tensor"),
        (lambda rows, n, T: torch.zeros(2, 5), "the shape"),
        (
            lambda rows, n, T: torch.tensor([r + [-100] * (T - len(r)) for r in rows]),
            "still count",
        ),
        (
            lambda rows, n, T: torch.tensor(
                [r[n:] + [-100] * (T - len(r) + n) for r in rows]
            ),
            "everything moved",
        ),
        (
            lambda rows, n, T: labels(-100, -100)(
                [[*r[:-1], -100] for r in rows], n, T
            ),
            "end token",
        ),
        (labels(-100, 9), "it should be"),
    ],
    "jokes-steps": [
        (lambda n, size, epochs, drop: n * epochs / size, "the number is whole"),
        (lambda n, size, epochs, drop: -(-n * epochs // size), "round in each epoch"),
        (lambda n, size, epochs, drop: epochs * -(-n // size), "drop_last"),
    ],
    "jokes-step": [
        (step_uphill, "uphill"),
        (step_on_a_copy, "did not change"),
        (step_that_keeps_gradients, "the next backward would add to it"),
    ],
    "jokes-ends": [
        (lambda texts, eos, limit: "no answer yet", "no answer yet"),
        (
            lambda texts, eos, limit: sum(eos in t for t in texts) / max(1, len(texts)),
            "not within three",
        ),
        (
            lambda texts, eos, limit: sum(eos in t[:limit] for t in texts),
            "divide by how many",
        ),
        (
            lambda texts, eos, limit: (
                sum(eos in t[:limit] for t in texts) / max(1, len(texts))
            ),
            "None",
        ),
    ],
    "jokes-stolen": [
        (lambda text, known: max(len({*text} & {*joke}) for joke in known), "in a row"),
        (lambda text, known: min(1, len(text)), "it should be"),
    ],
}
